#include "checkpoint/header.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/error.h"
#include "checkpoint/quoted.h"

namespace ganglion::checkpoint {
namespace {

using Offsets = std::pair<std::uint64_t, std::uint64_t>;  // data_offsets: from the end of the header

struct Name {
  std::string_view text;
  DType dtype;
};
constexpr std::array<Name, 9> kNames = {{{"BOOL", DType::kPred},
                                         {"I8", DType::kS8},
                                         {"I32", DType::kS32},
                                         {"I64", DType::kS64},
                                         {"U8", DType::kU8},
                                         {"U32", DType::kU32},
                                         {"F16", DType::kF16},
                                         {"BF16", DType::kBF16},
                                         {"F32", DType::kF32}}};

// Receives the header token by token. A state for each place of the one form that is allowed; anything else throws, so
// the depth is bounded by the form, and a name that comes twice is seen (a JSON object would keep the last).
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(std::string_view place) : place_(place) {}

  Header header;
  std::map<std::string, Offsets, std::less<>> offsets;

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool number_float(double, const std::string& text) override { unexpected(text); }
  bool number_integer(std::int64_t value) override { unexpected(std::to_string(value)); }  // negative ones only
  bool binary(nlohmann::json::binary_t&) override { unexpected("binary data"); }

  bool number_unsigned(std::uint64_t value) override {
    if (state_ == State::kShape) {
      if (entry_.dims.size() == kMostDims) {
        fail(Code::kUnsupported, "[safetensors] {}: tensor {} has more than {} dimensions", place_, in_quotes(name_),
             kMostDims);
      }
      if (value > (std::uint64_t{1} << 62)) corrupt("has a size of {} in its shape: more than 2^62", value);
      entry_.dims.push_back(static_cast<std::int64_t>(value));
    } else if (state_ == State::kOffsets && offset_count_ < 2) {
      (offset_count_++ == 0 ? begin_ : end_) = value;
    } else {
      unexpected(std::to_string(value));
    }
    return true;
  }

  bool string(std::string& value) override {
    if (state_ == State::kMetadataValue) {
      header.metadata[key_] = std::move(value);
      state_ = State::kMetadata;
    } else if (state_ == State::kDtype) {
      const auto dtype = parse_safetensors_dtype(value);
      if (!dtype) {
        fail(Code::kUnsupported,
             "[safetensors] {}: tensor {} is of type {}; read are F32 F16 BF16 I8 I32 I64 U8 U32 BOOL: convert it",
             place_, in_quotes(name_), in_quotes(value));
      }
      entry_.dtype = *dtype;
      state_ = State::kEntry;
    } else {
      unexpected("the string " + in_quotes(value));
    }
    return true;
  }

  bool start_object(std::size_t) override {
    switch (state_) {
      case State::kStart:
        state_ = State::kNames;
        break;
      case State::kMetadataStart:
        state_ = State::kMetadata;
        break;
      case State::kEntryStart:
        state_ = State::kEntry;
        entry_ = {};
        seen_dtype_ = seen_shape_ = seen_offsets_ = false;
        break;
      default:
        unexpected("an object");
    }
    return true;
  }

  bool key(std::string& value) override {
    if (state_ == State::kNames) {
      name_ = std::move(value);
      if (name_ == "__metadata__") {
        if (std::exchange(seen_metadata_, true)) corrupt("is there twice");
        state_ = State::kMetadataStart;
        return true;
      }
      if (header.tensors.contains(name_)) corrupt("is there twice");
      state_ = State::kEntryStart;
    } else if (state_ == State::kMetadata) {
      if (header.metadata.contains(value)) corrupt("has the key {} twice", in_quotes(value));
      key_ = std::move(value);
      state_ = State::kMetadataValue;
    } else if (value == "dtype") {
      once(seen_dtype_, value);
      state_ = State::kDtype;
    } else if (value == "shape") {
      once(seen_shape_, value);
      state_ = State::kShapeStart;
    } else if (value == "data_offsets") {
      once(seen_offsets_, value);
      state_ = State::kOffsetsStart;
    } else {
      corrupt("has the key {}; known are dtype, shape and data_offsets", in_quotes(value));
    }
    return true;
  }

  bool end_object() override {
    if (state_ == State::kEntry) {
      if (!seen_dtype_ || !seen_shape_ || !seen_offsets_) corrupt("lacks one of dtype, shape and data_offsets");
      header.tensors.emplace(name_, std::move(entry_));
      offsets.emplace(name_, Offsets{begin_, end_});
      state_ = State::kNames;
    } else {
      state_ = state_ == State::kMetadata ? State::kNames : State::kEnd;
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ == State::kShapeStart) {
      state_ = State::kShape;
    } else if (state_ == State::kOffsetsStart) {
      state_ = State::kOffsets;
      offset_count_ = 0;
    } else {
      unexpected("an array");
    }
    return true;
  }

  bool end_array() override {
    if (state_ == State::kOffsets && offset_count_ != 2) corrupt("has {} data_offsets; 2 wanted", offset_count_);
    state_ = State::kEntry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
    fail(Code::kDataCorrupt, "[safetensors] {}: the header is not JSON at byte {}: {}", place_, position, error.what());
  }

 private:
  enum class State {
    kStart,
    kNames,
    kMetadataStart,
    kMetadata,
    kMetadataValue,
    kEntryStart,
    kEntry,
    kDtype,
    kShapeStart,
    kShape,
    kOffsetsStart,
    kOffsets,
    kEnd,
  };

  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail(Code::kDataCorrupt, "[safetensors] {}: {} {}", place_, in_quotes(name_),
         fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void unexpected(const std::string& what) const {
    switch (state_) {
      case State::kStart:
        fail(Code::kDataCorrupt, "[safetensors] {}: the header is {}; an object wanted", place_, what);
      case State::kMetadataStart:
        corrupt("is {}; an object of strings wanted", what);
      case State::kMetadataValue:
        corrupt("has {} for {}; a string wanted", what, in_quotes(key_));
      case State::kEntryStart:
        corrupt("is {}; an object wanted", what);
      case State::kDtype:
        corrupt("has {} as dtype; a string wanted", what);
      case State::kShapeStart:
      case State::kShape:
        corrupt("has {} in its shape; an array of sizes wanted", what);
      default:
        corrupt("has {} in its data_offsets; two offsets wanted", what);
    }
  }
  void once(bool& seen, const std::string& key) const {
    if (std::exchange(seen, true)) corrupt("has the key {} twice", in_quotes(key));
  }

  const std::string_view place_;
  State state_ = State::kStart;
  std::string name_;  // of the tensor being read
  std::string key_;   // of the metadata being read
  TensorEntry entry_;
  bool seen_metadata_ = false;
  bool seen_dtype_ = false;
  bool seen_shape_ = false;
  bool seen_offsets_ = false;
  int offset_count_ = 0;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
};

// Gives the tensor its place in the file, if its offsets are within the data and as far apart as its shape says.
void place_tensor(TensorEntry& tensor, const std::string& name, Offsets offsets, std::uint64_t data_start,
                  std::uint64_t data_size, std::string_view place) {
  const auto [begin, end] = offsets;
  if (begin > end || end > data_size) {
    fail(Code::kDataCorrupt, "[safetensors] {}: {} has data_offsets [{}, {}], but the file holds {} bytes of data",
         place, in_quotes(name), begin, end, data_size);
  }
  std::int64_t elements = 0;
  try {
    elements = element_count(tensor.dims);
  } catch (const Error&) {
    fail(Code::kDataCorrupt, "[safetensors] {}: {} has a shape of more than 2^62 elements", place, in_quotes(name));
  }
  tensor.bytes = end - begin;
  const std::uint64_t width = dtype_size(tensor.dtype);
  if (tensor.bytes % width != 0 || tensor.bytes / width != static_cast<std::uint64_t>(elements)) {
    fail(Code::kDataCorrupt, "[safetensors] {}: {} has {} bytes of data, but {} wants {} elements of {}", place,
         in_quotes(name), tensor.bytes, shape_text(tensor.dtype, tensor.dims), elements, width);
  }
  tensor.offset = data_start + begin;
}

// The tensors lie one after the other from the first byte of the data to the last.
void check_cover(const Header& header, std::uint64_t data_start, std::uint64_t file_size, std::string_view place) {
  std::vector<const std::pair<const std::string, TensorEntry>*> order;
  for (const auto& item : header.tensors) order.push_back(&item);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.offset, a->second.bytes) < std::pair(b->second.offset, b->second.bytes);
  });
  std::uint64_t next = data_start;
  for (const auto* item : order) {
    const TensorEntry& tensor = item->second;
    if (tensor.offset != next) {
      fail(Code::kDataCorrupt, "[safetensors] {}: {} begins at byte {} of the data, {} at {}", place,
           in_quotes(item->first), tensor.offset - data_start,
           tensor.offset < next ? "which overlaps the tensor before it, that ends" : "with a gap after what ends",
           next - data_start);
    }
    next += tensor.bytes;
  }
  if (next != file_size) {
    fail(Code::kDataCorrupt, "[safetensors] {}: {} bytes after the last tensor belong to none", place,
         file_size - next);
  }
}

}  // namespace

std::string_view safetensors_name(DType dtype) noexcept {
  return std::find_if(kNames.begin(), kNames.end(), [&](const Name& name) { return name.dtype == dtype; })->text;
}

std::optional<DType> parse_safetensors_dtype(std::string_view text) noexcept {
  for (const Name& name : kNames) {
    if (name.text == text) return name.dtype;
  }
  return std::nullopt;
}

std::uint64_t header_length(std::span<const std::byte, kHeaderStart> start, std::uint64_t file_size,
                            std::string_view place) {
  std::uint64_t length = 0;
  for (std::size_t i = kHeaderStart; i-- > 0;) length = length << 8 | std::to_integer<std::uint64_t>(start[i]);
  if (length == 0) fail(Code::kDataCorrupt, "[safetensors] {}: a header of 0 bytes", place);
  if (length > kLongestHeader) {
    fail(Code::kDataCorrupt, "[safetensors] {}: a header of {} bytes; at most {} are read: is it a safetensors file?",
         place, length, kLongestHeader);
  }
  if (file_size < kHeaderStart || length > file_size - kHeaderStart) {
    fail(Code::kDataCorrupt, "[safetensors] {}: a header of {} bytes in a file of {}: is it truncated?", place, length,
         file_size);
  }
  return length;
}

Header parse_header(std::span<const std::byte> json, std::uint64_t file_size, std::string_view place) {
  if (json.empty() || json[0] != std::byte{'{'}) {
    fail(Code::kDataCorrupt, "[safetensors] {}: the header does not begin with '{{'", place);
  }
  if (file_size < kHeaderStart || json.size() > file_size - kHeaderStart) {
    fail(Code::kDataCorrupt, "[safetensors] {}: a header of {} bytes in a file of {}", place, json.size(), file_size);
  }
  // The JSON library takes a zero byte for the end of its input and would not look at what follows.
  if (std::find(json.begin(), json.end(), std::byte{0}) != json.end()) {
    fail(Code::kDataCorrupt, "[safetensors] {}: the header is not JSON: it has a zero byte", place);
  }
  HeaderReader reader(place);
  const auto* text = reinterpret_cast<const char*>(json.data());
  nlohmann::json::sax_parse(text, text + json.size(), &reader);

  Header header = std::move(reader.header);
  const std::uint64_t data_start = kHeaderStart + json.size();
  for (auto& [name, tensor] : header.tensors) {
    place_tensor(tensor, name, reader.offsets.at(name), data_start, file_size - data_start, place);
  }
  check_cover(header, data_start, file_size, place);
  return header;
}

}  // namespace ganglion::checkpoint
