#include "tensor/npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace ganglion {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kLongestHeader = 64 << 10;
constexpr std::size_t kMostDims = 32;  // NumPy's own limit

struct Descr {
  std::string_view text;
  DType dtype;
};
constexpr std::array<Descr, 9> kDescrs = {{{"|b1", DType::kPred},
                                           {"|i1", DType::kS8},
                                           {"<i4", DType::kS32},
                                           {"<i8", DType::kS64},
                                           {"|u1", DType::kU8},
                                           {"<u4", DType::kU32},
                                           {"<f2", DType::kF16},
                                           {"<u2", DType::kBF16},
                                           {"<f4", DType::kF32}}};

DType dtype_of(std::string_view text, std::string_view place) {
  for (const Descr& descr : kDescrs) {
    if (descr.text == text) return descr.dtype;
  }
  fail(Code::kUnsupported,
       "[npy] {}: elements of type '{}'; read are |b1 |i1 <i4 <i8 |u1 <u4 <f2 <f4 and <u2 (bits of bf16): convert it "
       "with numpy's astype before saving",
       place, text);
}

std::string_view descr_of(DType dtype) {
  if (dtype == DType::kS4) dtype = DType::kS8;  // a number a byte
  return std::find_if(kDescrs.begin(), kDescrs.end(), [&](const Descr& descr) { return descr.dtype == dtype; })->text;
}

struct Header {
  DType dtype = DType::kF32;
  Dims dims;
};

// Reads the Python dictionary that describes the array: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view place) : text_(text), place_(place) {}

  Header parse() {
    std::optional<DType> dtype;
    std::optional<bool> fortran;
    std::optional<Dims> dims;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !dtype) {
        skip_space();
        if (at_ < text_.size() && text_[at_] == '[') {
          fail(Code::kUnsupported, "[npy] {}: a structured array; save a plain one", place_);
        }
        dtype = dtype_of(quoted(), place_);
      } else if (key == "fortran_order" && !fortran) {
        fortran = boolean();
      } else if (key == "shape" && !dims) {
        dims = tuple();
      } else {
        corrupt("has the key '{}' twice or a key that is not descr, fortran_order or shape", key);
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) corrupt("goes on after its closing brace");
    if (!dtype || !fortran || !dims) corrupt("lacks one of descr, fortran_order and shape");
    if (*fortran) {
      fail(Code::kUnsupported, "[npy] {}: Fortran order; save it with numpy.ascontiguousarray", place_);
    }
    return {*dtype, std::move(*dims)};
  }

 private:
  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail(Code::kDataCorrupt, "[npy] {}: the header {}", place_, fmt::format(format, std::forward<Args>(args)...));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char wanted) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted)) corrupt("has no '{}' at byte {}", wanted, at_);
  }
  std::string_view quoted() {
    expect('\'');
    const std::size_t end = text_.find('\'', at_);
    if (end == std::string_view::npos) corrupt("has a string without an end at byte {}", at_);
    return text_.substr(std::exchange(at_, end + 1), end - at_);
  }
  bool boolean() {
    skip_space();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"True", true}, {"False", false}}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return value;
      }
    }
    corrupt("has a fortran_order that is neither True nor False");
  }
  Dims tuple() {
    Dims dims;
    expect('(');
    while (!accept(')')) {
      if (dims.size() == kMostDims) corrupt("has a shape of more than {} sizes", kMostDims);
      dims.push_back(size());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return dims;
  }
  std::int64_t size() {
    skip_space();
    std::int64_t value = 0;
    const std::size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (at_ - begin == 18) corrupt("has a size of more than 18 digits");
      value = value * 10 + (text_[at_] - '0');
    }
    if (at_ == begin) corrupt("has a shape whose sizes are not numbers");
    return value;
  }

  std::string_view text_;
  std::string_view place_;
  std::size_t at_ = 0;
};

// Reads `count` bytes at `offset` of what may be a file or memory of `size` bytes.
using Reader = std::function<void(std::uint64_t offset, void* out, std::size_t count)>;

Tensor read(const Reader& reader, std::uint64_t size, std::string_view place) {
  std::array<unsigned char, 12> start{};
  if (size < start.size()) fail(Code::kDataCorrupt, "[npy] {}: {} bytes cannot be a .npy file", place, size);
  reader(0, start.data(), start.size());
  if (std::memcmp(start.data(), kMagic.data(), kMagic.size()) != 0) {
    fail(Code::kDataCorrupt, "[npy] {}: does not begin with \\x93NUMPY: not a .npy file", place);
  }
  const int version = start[6];
  if (version < 1 || version > 3 || start[7] != 0) {
    fail(Code::kUnsupported, "[npy] {}: version {}.{} of the format; 1.0, 2.0 and 3.0 are read", place, version,
         start[7]);
  }
  const std::uint64_t data_start = version == 1 ? 10 : 12;
  std::uint64_t length = start[8] | start[9] << 8;
  if (version > 1) length |= std::uint64_t{start[10]} << 16 | std::uint64_t{start[11]} << 24;
  if (length > kLongestHeader || length > size - data_start) {
    fail(Code::kDataCorrupt, "[npy] {}: a header of {} bytes in a file of {}; at most {} are read", place, length, size,
         kLongestHeader);
  }
  std::string text(length, '\0');
  reader(data_start, text.data(), text.size());
  Header header = HeaderParser(text, place).parse();

  std::int64_t elements = 0;
  try {
    elements = element_count(header.dims);
  } catch (const Error&) {
    fail(Code::kDataCorrupt, "[npy] {}: shape ({}) has more than 2^62 elements", place, fmt::join(header.dims, ", "));
  }
  // Compared as elements, not bytes: 2^62 elements times their size would overflow.
  const std::uint64_t data = size - data_start - length;
  const std::uint64_t width = dtype_size(header.dtype);
  if (data % width != 0 || data / width != static_cast<std::uint64_t>(elements)) {
    fail(Code::kDataCorrupt, "[npy] {}: {} bytes of data for {}, which wants {} elements of {}", place, data,
         shape_text(header.dtype, header.dims), elements, width);
  }
  Tensor tensor(header.dtype, std::move(header.dims));
  reader(data_start + length, tensor.data(), tensor.bytes());
  if (tensor.dtype() == DType::kPred) {
    for (const std::uint8_t value : tensor.as<std::uint8_t>()) {
      if (value > 1) fail(Code::kDataCorrupt, "[npy] {}: a bool with the value {}; 0 or 1 wanted", place, value);
    }
  }
  return tensor;
}

}  // namespace

Tensor read_npy(const std::filesystem::path& path) {
  const File file = File::open(path);
  return read([&](std::uint64_t offset, void* out, std::size_t count) { file.read(offset, out, count); }, file.size(),
              path.string());
}

Tensor parse_npy(std::span<const std::byte> file, std::string_view place) {
  const Reader reader = [&](std::uint64_t offset, void* out, std::size_t count) {
    if (count > 0) std::memcpy(out, file.data() + offset, count);
  };
  return read(reader, file.size(), place);
}

std::string npy_header(DType dtype, std::span<const std::int64_t> dims) {
  constexpr std::size_t kStart = 10;      // magic, version, length
  constexpr std::size_t kAlignment = 64;  // of the data in the file
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", descr_of(dtype),
                                 fmt::join(dims, ", "), dims.size() == 1 ? "," : "");
  const std::size_t whole = (kStart + text.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  text.append(whole - kStart - text.size() - 1, ' ');
  text += '\n';
  std::string header(kMagic);
  header += {'\x01', '\x00', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return header + text;
}

void write_npy(const std::filesystem::path& path, const TensorView& tensor) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  const std::string header = npy_header(tensor.dtype, tensor.dims);
  out.write(header.data(), static_cast<std::streamsize>(header.size()));
  out.write(reinterpret_cast<const char*>(tensor.data), static_cast<std::streamsize>(tensor.bytes()));
  out.close();
  if (!out) {
    fail(Code::kInvalidArgument, "[npy] {} cannot be written: {}; give another path", path.string(),
         std::strerror(errno));
  }
}

}  // namespace ganglion
