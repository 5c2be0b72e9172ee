// Gather and scatter as XLA defines them: index vectors lie along index_vector_dim of `indices` (or are single numbers
// when that is its rank), the other dimensions of `indices` are the batch.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "reference/index.h"
#include "reference/operations.h"

namespace ganglion::reference {
namespace {

bool contains(const Dims& dims, std::int64_t d) { return std::find(dims.begin(), dims.end(), d) != dims.end(); }

// Where the window of one batch index begins in the operand.
Dims window_start(const TensorView& indices, const Dims& batch_index, std::int64_t index_vector_dim,
                  const Dims& to_operand, std::size_t operand_rank) {
  Dims start(operand_rank, 0);
  const Dims strides = strides_of(indices.dims);
  for (std::size_t component = 0; component < to_operand.size(); ++component) {
    Dims index = batch_index;
    if (index_vector_dim < static_cast<std::int64_t>(indices.dims.size())) {
      index.insert(index.begin() + index_vector_dim, static_cast<std::int64_t>(component));
    }
    start.at(static_cast<std::size_t>(to_operand[component])) = load(indices, offset_of(index, strides)).integer;
  }
  return start;
}

// An index of the result of gather (of the updates of scatter), taken apart.
struct WindowIndex {
  Dims batch;   // into indices, without index_vector_dim
  Dims window;  // into the operand, relative to the window's start
};

// `window_dims` are the dimensions of `index` that walk the window, `missing` the operand's dimensions without one.
WindowIndex take_apart(const Dims& index, const Dims& window_dims, const Dims& missing, std::size_t operand_rank) {
  WindowIndex parts;
  Dims walked;
  for (std::size_t d = 0; d < index.size(); ++d) {
    (contains(window_dims, static_cast<std::int64_t>(d)) ? walked : parts.batch).push_back(index[d]);
  }
  std::size_t next = 0;
  for (std::size_t d = 0; d < operand_rank; ++d) {
    parts.window.push_back(contains(missing, static_cast<std::int64_t>(d)) ? 0 : walked.at(next++));
  }
  return parts;
}

}  // namespace

Tensor gather(const hlo::Instruction& instruction, const Operands& operands, const Dims& dims) {
  const hlo::GatherDims& how = instruction.gather;
  const TensorView& x = operands[0];
  const std::size_t size = dtype_size(x.dtype);
  const Dims strides = strides_of(x.dims);
  Tensor result(x.dtype, dims);
  std::byte* out = result.data();
  for_each_index(dims, [&](const Dims& index) {
    const WindowIndex parts = take_apart(index, how.offset_dims, how.collapsed_slice_dims, x.dims.size());
    Dims from = window_start(operands[1], parts.batch, how.index_vector_dim, how.start_index_map, x.dims.size());
    for (std::size_t d = 0; d < from.size(); ++d) {
      GANGLION_CHECK(how.slice_sizes[d] <= x.dims[d]);
      from[d] = std::clamp<std::int64_t>(from[d], 0, x.dims[d] - how.slice_sizes[d]) + parts.window[d];
    }
    std::memcpy(out, x.data + static_cast<std::size_t>(offset_of(from, strides)) * size, size);
    out += size;
  });
  return result;
}

// Windows that would leave the operand anywhere are dropped whole; updates are combined in row-major order.
Tensor scatter(const hlo::Instruction& instruction, const Operands& operands, const ScalarFunction& combine) {
  const hlo::ScatterDims& how = instruction.scatter;
  const TensorView& x = operands[0];
  const TensorView& updates = operands[2];
  const Dims strides = strides_of(x.dims);
  Tensor result(x.dtype, x.dims);
  if (result.bytes() != 0) std::memcpy(result.data(), x.data, result.bytes());
  const MutableTensorView out = result.mutable_view();

  Dims window_sizes;  // along every dimension of the operand
  std::size_t next = 0;
  for (std::size_t d = 0; d < x.dims.size(); ++d) {
    const bool inserted = contains(how.inserted_window_dims, static_cast<std::int64_t>(d));
    window_sizes.push_back(inserted ? 1 : updates.dims.at(static_cast<std::size_t>(how.update_window_dims.at(next++))));
  }

  std::int64_t u = 0;
  for_each_index(updates.dims, [&](const Dims& index) {
    const Scalar update = load(updates, u++);
    const WindowIndex parts = take_apart(index, how.update_window_dims, how.inserted_window_dims, x.dims.size());
    Dims to =
        window_start(operands[1], parts.batch, how.index_vector_dim, how.scatter_dims_to_operand_dims, x.dims.size());
    for (std::size_t d = 0; d < to.size(); ++d) {
      if (to[d] < 0 || to[d] > x.dims[d] - window_sizes[d]) return;
      to[d] += parts.window[d];
    }
    const std::int64_t at = offset_of(to, strides);
    store(out, at, combine({load(result.view(), at), update}).at(0));
  });
  return result;
}

}  // namespace ganglion::reference
