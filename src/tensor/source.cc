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

class Slice final : public TensorSource {
 public:
  Slice(std::shared_ptr<const TensorSource> whole, int dimension, std::int64_t begin, std::int64_t end)
      : whole_(std::move(whole)), dimension_(dimension), begin_(begin), dims_(whole_->dims()) {
    dims_[static_cast<std::size_t>(dimension)] = end - begin;
  }
  DType dtype() const override { return whole_->dtype(); }
  const Dims& dims() const override { return dims_; }

  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    if (dimension_ == 0) {
      whole_->read_rows(begin_ + begin, begin_ + end, out);
      return;
    }
    // Columns: whole rows pass through a bounded buffer.
    const std::int64_t from = row_bytes(dtype(), whole_->dims());
    const std::int64_t to = row_bytes(dtype(), dims_);
    const std::int64_t skip = begin_ * (from / std::max<std::int64_t>(1, whole_->dims()[1]));
    const std::int64_t chunk = std::max<std::int64_t>(1, (std::int64_t{4} << 20) / std::max<std::int64_t>(1, from));
    std::vector<std::byte> rows(static_cast<std::size_t>(std::min(chunk, end - begin) * from));
    for (std::int64_t row = begin; row < end; row += chunk) {
      const std::int64_t count = std::min(chunk, end - row);
      whole_->read_rows(row, row + count, rows.data());
      for (std::int64_t i = 0; i < count; ++i, out += to) {
        std::memcpy(out, rows.data() + i * from + skip, static_cast<std::size_t>(to));
      }
    }
  }

 private:
  std::shared_ptr<const TensorSource> whole_;
  int dimension_;
  std::int64_t begin_;
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

 private:
  Tensor tensor_;
};

}  // namespace

std::shared_ptr<const TensorSource> slice_source(std::shared_ptr<const TensorSource> whole, int dimension,
                                                 std::int64_t begin, std::int64_t end) {
  GANGLION_CHECK(dimension == 0 || dimension == 1);
  GANGLION_CHECK(static_cast<std::size_t>(dimension) < whole->dims().size());
  GANGLION_CHECK(0 <= begin && begin <= end && end <= whole->dims()[static_cast<std::size_t>(dimension)]);
  return std::make_shared<Slice>(std::move(whole), dimension, begin, end);
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
