#include "tensor/source.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace ganglion {
namespace {

std::int64_t row_bytes(DType dtype, const Dims& dims) {
  std::int64_t elements = 1;
  for (std::size_t i = 1; i < dims.size(); ++i) elements *= dims[i];
  return elements * static_cast<std::int64_t>(dtype_size(dtype));
}

// Rows that pass through a buffer at a time, so that it stays below 4 MiB.
std::int64_t rows_at_a_time(std::int64_t row) {
  return std::max<std::int64_t>(1, (std::int64_t{4} << 20) / std::max<std::int64_t>(1, row));
}

class Slice final : public TensorSource {
 public:
  Slice(std::shared_ptr<const TensorSource> whole, int dimension, std::int64_t begin, std::int64_t end)
      : whole_(std::move(whole)), dimension_(dimension), begin_(begin), dims_(whole_->dims()) {
    dims_[static_cast<std::size_t>(dimension)] = end - begin;
  }
  DType dtype() const override { return whole_->dtype(); }
  const Dims& dims() const override { return dims_; }

  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    if (dimension_ == 0) return whole_->read_rows(begin_ + begin, begin_ + end, out);
    whole_->read_block(begin, end, begin_, begin_ + dims_[1], out);
  }
  bool with_rows(std::int64_t begin, std::int64_t end,
                 const std::function<void(const std::byte*)>& work) const override {
    return dimension_ == 0 && whole_->with_rows(begin_ + begin, begin_ + end, work);
  }
  void read_block(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last,
                  std::byte* out) const override {
    if (dimension_ == 0) return whole_->read_block(begin_ + begin, begin_ + end, first, last, out);
    whole_->read_block(begin, end, begin_ + first, begin_ + last, out);
  }

 private:
  std::shared_ptr<const TensorSource> whole_;
  int dimension_;
  std::int64_t begin_;
  Dims dims_;
};

// to[c * to_stride + r] = from[r * columns + c], tile by tile so that both sides stay in the first cache.
template <typename T>
void transpose(const T* from, std::int64_t rows, std::int64_t columns, T* to, std::int64_t to_stride) {
  constexpr std::int64_t kTile = 32;
  for (std::int64_t r = 0; r < rows; r += kTile) {
    for (std::int64_t c = 0; c < columns; c += kTile) {
      const std::int64_t row_end = std::min(rows, r + kTile);
      const std::int64_t column_end = std::min(columns, c + kTile);
      for (std::int64_t j = c; j < column_end; ++j) {
        for (std::int64_t i = r; i < row_end; ++i) to[j * to_stride + i] = from[i * columns + j];
      }
    }
  }
}

class Transposed final : public TensorSource {
 public:
  explicit Transposed(std::shared_ptr<const TensorSource> matrix)
      : matrix_(std::move(matrix)), dims_{matrix_->dims()[1], matrix_->dims()[0]} {}
  DType dtype() const override { return matrix_->dtype(); }
  const Dims& dims() const override { return dims_; }

  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    read_block(begin, end, 0, dims_[1], out);
  }
  void read_block(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last,
                  std::byte* out) const override {
    switch (dtype_size(dtype())) {
      case 1:
        return turn<std::uint8_t>(begin, end, first, last, out);
      case 2:
        return turn<std::uint16_t>(begin, end, first, last, out);
      case 4:
        return turn<std::uint32_t>(begin, end, first, last, out);
      default:
        return turn<std::uint64_t>(begin, end, first, last, out);
    }
  }

 private:
  template <typename T>
  void turn(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last, std::byte* bytes) const {
    const std::int64_t columns = end - begin;  // of the stored matrix
    if (columns == 0 || first == last) return;
    T* out = reinterpret_cast<T*>(bytes);
    const std::int64_t chunk = rows_at_a_time(columns * static_cast<std::int64_t>(sizeof(T)));
    std::vector<T> block(static_cast<std::size_t>(std::min(chunk, last - first) * columns));
    for (std::int64_t row = first; row < last; row += chunk) {
      const std::int64_t count = std::min(chunk, last - row);
      matrix_->read_block(row, row + count, begin, end, reinterpret_cast<std::byte*>(block.data()));
      transpose(block.data(), count, columns, out + (row - first), last - first);
    }
  }

  std::shared_ptr<const TensorSource> matrix_;
  Dims dims_;
};

class RowBlocksOf final : public TensorSource {
 public:
  RowBlocksOf(std::shared_ptr<const TensorSource> whole, const RowBlocks& blocks)
      : whole_(std::move(whole)), blocks_(blocks), dims_(whole_->dims()) {
    dims_[0] = blocks.size * blocks.count;
  }
  DType dtype() const override { return whole_->dtype(); }
  const Dims& dims() const override { return dims_; }

  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    const std::int64_t row = row_bytes(dtype(), dims_);
    for_pieces(begin, end, [&](std::int64_t from, std::int64_t count) {
      whole_->read_rows(from, from + count, out);
      out += count * row;
    });
  }
  bool with_rows(std::int64_t begin, std::int64_t end,
                 const std::function<void(const std::byte*)>& work) const override {
    const std::int64_t block = begin / blocks_.size;
    const std::int64_t from = blocks_.offset + block * blocks_.stride + begin - block * blocks_.size;
    return end <= (block + 1) * blocks_.size && whole_->with_rows(from, from + end - begin, work);
  }
  void read_block(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last,
                  std::byte* out) const override {
    const std::int64_t row = (last - first) * static_cast<std::int64_t>(dtype_size(dtype()));
    for_pieces(begin, end, [&](std::int64_t from, std::int64_t count) {
      whole_->read_block(from, from + count, first, last, out);
      out += count * row;
    });
  }

 private:
  // Calls read(first row of the whole, count) for each run of neighbours among rows [begin, end).
  template <typename Read>
  void for_pieces(std::int64_t begin, std::int64_t end, const Read& read) const {
    while (begin < end) {
      const std::int64_t block = begin / blocks_.size;
      const std::int64_t within = begin - block * blocks_.size;
      const std::int64_t count = std::min(end - begin, blocks_.size - within);
      read(blocks_.offset + block * blocks_.stride + within, count);
      begin += count;
    }
  }

  std::shared_ptr<const TensorSource> whole_;
  RowBlocks blocks_;
  Dims dims_;
};

class InMemory final : public TensorSource {
 public:
  explicit InMemory(Tensor tensor) : tensor_(std::move(tensor)) {}
  DType dtype() const override { return tensor_.dtype(); }
  const Dims& dims() const override { return tensor_.dims(); }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    const std::int64_t row = row_bytes(dtype(), dims());
    if (begin == end || row == 0) return;  // an empty tensor has no data
    std::memcpy(out, tensor_.data() + begin * row, static_cast<std::size_t>((end - begin) * row));
  }
  bool with_rows(std::int64_t begin, std::int64_t, const std::function<void(const std::byte*)>& work) const override {
    work(tensor_.data() + begin * row_bytes(dtype(), dims()));
    return true;
  }

 private:
  Tensor tensor_;
};

}  // namespace

bool TensorSource::with_rows(std::int64_t, std::int64_t, const std::function<void(const std::byte*)>&) const {
  return false;
}

void TensorSource::read_block(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last,
                              std::byte* out) const {
  const auto size = static_cast<std::int64_t>(dtype_size(dtype()));
  const std::int64_t columns = dims()[1];
  if (first == 0 && last == columns) return read_rows(begin, end, out);
  const std::int64_t from = columns * size;
  const std::int64_t to = (last - first) * size;
  const std::int64_t chunk = rows_at_a_time(from);
  std::vector<std::byte> rows(static_cast<std::size_t>(std::min(chunk, end - begin) * from));
  for (std::int64_t row = begin; row < end; row += chunk) {
    const std::int64_t count = std::min(chunk, end - row);
    read_rows(row, row + count, rows.data());
    for (std::int64_t i = 0; i < count; ++i, out += to) {
      std::memcpy(out, rows.data() + i * from + first * size, static_cast<std::size_t>(to));
    }
  }
}

std::shared_ptr<const TensorSource> slice_source(std::shared_ptr<const TensorSource> whole, int dimension,
                                                 std::int64_t begin, std::int64_t end) {
  GANGLION_CHECK(dimension == 0 || dimension == 1);
  GANGLION_CHECK(static_cast<std::size_t>(dimension) < whole->dims().size());
  GANGLION_CHECK(0 <= begin && begin <= end && end <= whole->dims()[static_cast<std::size_t>(dimension)]);
  return std::make_shared<Slice>(std::move(whole), dimension, begin, end);
}

std::shared_ptr<const TensorSource> transposed_source(std::shared_ptr<const TensorSource> matrix) {
  GANGLION_CHECK(matrix->dims().size() == 2);
  return std::make_shared<Transposed>(std::move(matrix));
}

std::shared_ptr<const TensorSource> row_blocks_source(std::shared_ptr<const TensorSource> whole,
                                                      const RowBlocks& blocks) {
  GANGLION_CHECK(!whole->dims().empty() && blocks.offset >= 0 && blocks.size > 0 && blocks.count > 0);
  GANGLION_CHECK(blocks.count == 1 || blocks.stride >= blocks.size);
  GANGLION_CHECK(blocks.offset + (blocks.count - 1) * blocks.stride + blocks.size <= whole->dims()[0]);
  return std::make_shared<RowBlocksOf>(std::move(whole), blocks);
}

Tensor read_all(const TensorSource& source) {
  Tensor out(source.dtype(), source.dims());
  source.read_rows(0, source.dims().empty() ? 1 : source.dims()[0], out.data());
  return out;
}

std::shared_ptr<const TensorSource> tensor_source(Tensor tensor) {
  return std::make_shared<InMemory>(std::move(tensor));
}

}  // namespace ganglion
