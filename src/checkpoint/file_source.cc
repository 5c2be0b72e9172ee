#include "checkpoint/file_source.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "checkpoint/quoted.h"

namespace ganglion::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are read as they are in the file");

constexpr std::uint64_t kPiece = 256 << 10;  // bytes held besides the result

struct Axis {
  std::uint64_t count = 1;
  std::uint64_t stride = 1;  // in the file, elements
  std::uint64_t step = 1;    // in the result, elements
};

// The axes of rows [0, rows) with the dense result's steps; those of one index are dropped, and those that go on where
// the next ends are made one with it.
std::vector<Axis> axes_of(const FileTensor& tensor, std::uint64_t rows) {
  std::vector<Axis> reversed;
  std::uint64_t step = 1;
  for (std::size_t i = tensor.dims.size(); i-- > 0;) {
    const std::uint64_t count = i == 0 ? rows : static_cast<std::uint64_t>(tensor.dims[i]);
    if (count != 1) {
      if (!reversed.empty() && tensor.strides[i] == reversed.back().stride * reversed.back().count) {
        reversed.back().count *= count;
      } else {
        reversed.push_back({count, tensor.strides[i], step});
      }
    }
    step *= count;
  }
  if (reversed.empty()) reversed.push_back({});
  return {reversed.rbegin(), reversed.rend()};
}

class FileSource final : public TensorSource {
 public:
  FileSource(std::shared_ptr<const File> file, std::string name, FileTensor tensor)
      : file_(std::move(file)), name_(std::move(name)), tensor_(std::move(tensor)) {
    GANGLION_CHECK(tensor_.strides.size() == tensor_.dims.size());
    rows_ = tensor_.dims.empty() ? 1 : tensor_.dims[0];
    row_elements_ = rows_ == 0 ? 0 : static_cast<std::uint64_t>(element_count(tensor_.dims) / rows_);
  }
  DType dtype() const override { return read_as(tensor_.stored); }
  const Dims& dims() const override { return tensor_.dims; }

  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    GANGLION_CHECK(0 <= begin && begin <= end && end <= rows_);
    const std::uint64_t row_bytes = row_elements_ * dtype_size(dtype());
    if (begin == end || row_bytes == 0) return;
    if (tensor_.stored == Stored::kF64) return convert<double, float>(begin, end, out);
    if (tensor_.stored == Stored::kS16) return convert<std::int16_t, std::int32_t>(begin, end, out);
    gather(begin, end, out);
    const std::byte* const stop = out + static_cast<std::uint64_t>(end - begin) * row_bytes;
    const auto is_neither = [](std::byte value) { return value > std::byte{1}; };
    if (tensor_.stored == Stored::kPred && std::any_of<const std::byte*>(out, stop, is_neither)) {
      fail(Code::kDataCorrupt, "[checkpoint] {}: {} is of type BOOL but holds a byte other than 0 and 1",
           file_->path().string(), in_quotes(name_));
    }
  }

  bool with_rows(std::int64_t begin, std::int64_t end,
                 const std::function<void(const std::byte*)>& work) const override {
    GANGLION_CHECK(0 <= begin && begin <= end && end <= rows_);
    const std::uint64_t row_bytes = row_elements_ * width();
    const bool is_plain = stored_as(dtype()) == tensor_.stored && tensor_.stored != Stored::kPred;
    // What is not at a multiple of its size cannot be read as numbers of that size.
    if (!is_plain || row_bytes == 0 || tensor_.offset % width() != 0 || tensor_.strides != dense_strides(tensor_.dims))
      return false;
    return file_->read_in_place(tensor_.offset + static_cast<std::uint64_t>(begin) * row_bytes,
                                static_cast<std::uint64_t>(end - begin) * row_bytes, work);
  }

  // A range of columns is read row by row when that is much less than whole rows.
  void read_block(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last,
                  std::byte* out) const override {
    constexpr std::uint64_t kLeastBytes = 1024;  // below, reading rows whole is cheaper than a call for each
    const std::uint64_t bytes = static_cast<std::uint64_t>(last - first) * width();
    const bool is_plain = stored_as(dtype()) == tensor_.stored && tensor_.stored != Stored::kPred;
    if (!is_plain || tensor_.strides.back() != 1 || bytes < kLeastBytes || 2 * bytes > row_elements_ * width()) {
      return TensorSource::read_block(begin, end, first, last, out);
    }
    GANGLION_CHECK(0 <= begin && begin <= end && end <= rows_ && 0 <= first && last <= tensor_.dims[1]);
    for (std::int64_t row = begin; row < end; ++row, out += bytes) {
      const std::uint64_t at = static_cast<std::uint64_t>(row) * tensor_.strides[0] + static_cast<std::uint64_t>(first);
      file_->read(tensor_.offset + at * width(), out, bytes);
    }
  }

 private:
  // Of as many rows at a time as a piece holds, and at least one.
  template <typename From, typename To>
  void convert(std::int64_t begin, std::int64_t end, std::byte* out) const {
    const auto step = static_cast<std::int64_t>(std::max<std::uint64_t>(1, kPiece / (row_elements_ * sizeof(From))));
    std::vector<From> piece(static_cast<std::size_t>(std::min(step, end - begin)) * row_elements_);
    for (std::int64_t row = begin; row < end; row += step) {
      const std::int64_t stop = std::min(row + step, end);
      gather(row, stop, reinterpret_cast<std::byte*>(piece.data()));
      const std::size_t count = static_cast<std::size_t>(stop - row) * row_elements_;
      for (std::size_t i = 0; i < count; ++i, out += sizeof(To)) {
        const To value = static_cast<To>(piece[i]);
        std::memcpy(out, &value, sizeof(To));
      }
    }
  }

  void gather(std::int64_t begin, std::int64_t end, std::byte* out) const {
    std::vector<Axis> axes = axes_of(tensor_, static_cast<std::uint64_t>(end - begin));
    const std::uint64_t first = begin == 0 ? 0 : static_cast<std::uint64_t>(begin) * tensor_.strides[0];
    // Runs along the axis whose elements lie nearest to each other; the others are counted through.
    const auto nearest =
        std::min_element(axes.begin(), axes.end(), [](const Axis& a, const Axis& b) { return a.stride < b.stride; });
    const Axis run = *nearest;
    axes.erase(nearest);
    std::vector<std::byte> piece;
    std::vector<std::uint64_t> index(axes.size(), 0);
    for (;;) {
      std::uint64_t from = first, to = 0;
      for (std::size_t i = 0; i < axes.size(); ++i) {
        from += index[i] * axes[i].stride;
        to += index[i] * axes[i].step;
      }
      gather_run(run, from, out + to * width(), piece);
      std::size_t i = axes.size();
      while (i > 0 && ++index[i - 1] == axes[i - 1].count) index[--i] = 0;
      if (i == 0) return;
    }
  }

  void gather_run(const Axis& run, std::uint64_t from, std::byte* out, std::vector<std::byte>& piece) const {
    if (run.stride == 1 && run.step == 1) {
      file_->read(tensor_.offset + from * width(), out, run.count * width());
      return;
    }
    const std::uint64_t pitch = run.stride * width();
    const std::uint64_t most = pitch == 0 || pitch > kPiece ? 1 : kPiece / pitch;
    for (std::uint64_t done = 0; done < run.count;) {
      const std::uint64_t count = std::min(most, run.count - done);
      piece.resize((count - 1) * pitch + width());
      file_->read(tensor_.offset + (from + done * run.stride) * width(), piece.data(), piece.size());
      for (std::uint64_t i = 0; i < count; ++i) {
        std::memcpy(out + (done + i) * run.step * width(), piece.data() + i * pitch, width());
      }
      done += count;
    }
  }

  std::size_t width() const { return stored_size(tensor_.stored); }

  std::shared_ptr<const File> file_;
  std::string name_;
  FileTensor tensor_;
  std::int64_t rows_ = 0;
  std::uint64_t row_elements_ = 0;
};

}  // namespace

std::size_t stored_size(Stored stored) noexcept {
  if (stored == Stored::kF64) return 8;
  if (stored == Stored::kS16) return 2;
  return dtype_size(read_as(stored));
}

DType read_as(Stored stored) noexcept {
  switch (stored) {
    case Stored::kPred:
      return DType::kPred;
    case Stored::kS8:
      return DType::kS8;
    case Stored::kU8:
      return DType::kU8;
    case Stored::kS16:
    case Stored::kS32:
      return DType::kS32;
    case Stored::kU32:
      return DType::kU32;
    case Stored::kS64:
      return DType::kS64;
    case Stored::kF16:
      return DType::kF16;
    case Stored::kBF16:
      return DType::kBF16;
    case Stored::kF32:
    case Stored::kF64:
      break;
  }
  return DType::kF32;
}

Stored stored_as(DType dtype) noexcept {
  switch (dtype) {
    case DType::kPred:
      return Stored::kPred;
    case DType::kS4:  // a number a byte
    case DType::kS8:
      return Stored::kS8;
    case DType::kS32:
      return Stored::kS32;
    case DType::kS64:
      return Stored::kS64;
    case DType::kU8:
      return Stored::kU8;
    case DType::kU32:
      return Stored::kU32;
    case DType::kF16:
      return Stored::kF16;
    case DType::kBF16:
      return Stored::kBF16;
    case DType::kF32:
      break;
  }
  return Stored::kF32;
}

std::vector<std::uint64_t> dense_strides(const Dims& dims) {
  std::vector<std::uint64_t> out(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) out[i - 1] = out[i] * static_cast<std::uint64_t>(dims[i]);
  return out;
}

std::shared_ptr<const TensorSource> file_source(std::shared_ptr<const File> file, std::string name, FileTensor tensor) {
  return std::make_shared<FileSource>(std::move(file), std::move(name), std::move(tensor));
}

}  // namespace ganglion::checkpoint
