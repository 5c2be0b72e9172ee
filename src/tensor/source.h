// Where the numbers of a weight come from: a checkpoint file, a slice of one, a seeded generator. Read row by row, so
// that a weight is packed without ever being whole in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace ganglion {

// A tensor of known type and dims that can be read by rows of its first dimension (a 1-D tensor has rows of one
// element; a scalar has one row). Implementations are immutable and thread-safe.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual DType dtype() const = 0;
  virtual const Dims& dims() const = 0;
  // Writes rows [begin, end) to out, dense, in dtype(). Errors: what the file throws (kDataCorrupt, kInternal).
  virtual void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const = 0;
  // Calls work(rows [begin, end), dense, in dtype()) where they lie already, without a copy, and returns true; false
  // when this source cannot. `work` reads the rows, writes to memory of its own, and does nothing else: it may be left
  // in the middle (FileMapping::use). Errors as of read_rows.
  virtual bool with_rows(std::int64_t begin, std::int64_t end, const std::function<void(const std::byte*)>& work) const;
  // Of a matrix: columns [first, last) of rows [begin, end), dense. What is not overridden reads whole rows through a
  // buffer of bounded size.
  virtual void read_block(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last,
                          std::byte* out) const;
};

// The part of a tensor that one rank holds: a range of the first dimension (rows) or of the second (columns).
// `dimension` 0 or 1; begin <= end <= dims[dimension].
std::shared_ptr<const TensorSource> slice_source(std::shared_ptr<const TensorSource> whole, int dimension,
                                                 std::int64_t begin, std::int64_t end);
// A matrix [a, b] as [b, a], read in blocks: a range of its rows reads a range of the columns of `matrix`.
std::shared_ptr<const TensorSource> transposed_source(std::shared_ptr<const TensorSource> matrix);
// Rows of a tensor that several share: `count` blocks of `size` rows, the first at `offset`, each `stride` after the
// one before it.
struct RowBlocks {
  std::int64_t offset = 0;
  std::int64_t size = 0;
  std::int64_t stride = 0;
  std::int64_t count = 1;
};
std::shared_ptr<const TensorSource> row_blocks_source(std::shared_ptr<const TensorSource> whole,
                                                      const RowBlocks& blocks);
// The whole source as a tensor, for small ones.
Tensor read_all(const TensorSource& source);
// A tensor in memory as a source; the tensor is moved in.
std::shared_ptr<const TensorSource> tensor_source(Tensor tensor);

}  // namespace ganglion
