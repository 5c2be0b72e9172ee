// Gather and scatter in XLA's general form: index vectors lie along index_vector_dim of the indices (or are single
// numbers when that is its rank); the other dimensions of the indices are the batch.
#include <algorithm>
#include <cstring>

#include "runtime/cpu/callee.h"
#include "runtime/cpu/combine.h"
#include "runtime/cpu/steps.h"

namespace ganglion::runtime::cpu {
namespace {

Dims strides_of(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

bool contains(const Dims& dims, std::size_t d) {
  return std::find(dims.begin(), dims.end(), static_cast<std::int64_t>(d)) != dims.end();
}

// What gather's result and scatter's updates have in common: dimensions that walk the batch of index vectors, and
// dimensions that walk a window of the operand.
class Windows {
 public:
  // `dims`: of the result or updates. `window_dims`: those of it that walk the window; `missing`: the operand's
  // dimensions that none of them walks; `to_operand`: the operand's dimension of each component of an index vector.
  Windows(const Dims& dims, const Dims& window_dims, const Dims& operand_dims, const Dims& missing,
          const Dims& to_operand, const Dims& indices_dims, std::int64_t index_vector_dim)
      : dims_(dims), operand_dims_(operand_dims), to_operand_(to_operand) {
    const Dims operand_strides = strides_of(operand_dims);
    const Dims index_strides = strides_of(indices_dims);
    Dims batch_strides;
    for (std::size_t d = 0; d < indices_dims.size(); ++d) {
      if (static_cast<std::int64_t>(d) != index_vector_dim) batch_strides.push_back(index_strides[d]);
    }
    component_stride_ = index_vector_dim < static_cast<std::int64_t>(indices_dims.size())
                            ? index_strides[static_cast<std::size_t>(index_vector_dim)]
                            : 0;
    Dims walked;
    for (std::size_t d = 0; d < operand_dims.size(); ++d) {
      if (!contains(missing, d)) walked.push_back(operand_strides[d]);
    }
    std::size_t window = 0, batch = 0;
    for (std::size_t d = 0; d < dims.size(); ++d) {
      const bool in_window = contains(window_dims, d);
      window_strides_.push_back(in_window ? walked[window++] : 0);
      index_strides_.push_back(in_window ? 0 : batch_strides[batch++]);
    }
    for (const std::int64_t d : to_operand) start_strides_.push_back(operand_strides[static_cast<std::size_t>(d)]);
    start_.resize(to_operand.size());
  }

  // Goes to one element of the result or updates and reads its index vector.
  void seek(std::int64_t position, DType index_type, const std::byte* indices) {
    window_offset_ = 0;
    std::int64_t at = 0;
    for (std::size_t d = dims_.size(); d-- > 0;) {
      const std::int64_t i = position % dims_[d];
      position /= dims_[d];
      window_offset_ += i * window_strides_[d];
      at += i * index_strides_[d];
    }
    const auto size = static_cast<std::int64_t>(dtype_size(index_type));
    for (std::size_t c = 0; c < start_.size(); ++c) {
      start_[c] = load_integer(index_type, indices + (at + static_cast<std::int64_t>(c) * component_stride_) * size);
    }
  }
  // Starts clamped so that the window lies inside.
  std::int64_t clamped(const Dims& window_sizes) const {
    std::int64_t offset = window_offset_;
    for (std::size_t c = 0; c < start_.size(); ++c) {
      const auto d = static_cast<std::size_t>(to_operand_[c]);
      const std::int64_t room = std::max<std::int64_t>(0, operand_dims_[d] - window_sizes[d]);
      offset += std::clamp<std::int64_t>(start_[c], 0, room) * start_strides_[c];
    }
    return offset;
  }
  // -1: the window does not lie inside.
  std::int64_t inside(const Dims& window_sizes) const {
    std::int64_t offset = window_offset_;
    for (std::size_t c = 0; c < start_.size(); ++c) {
      const auto d = static_cast<std::size_t>(to_operand_[c]);
      if (start_[c] < 0 || start_[c] > operand_dims_[d] - window_sizes[d]) return -1;
      offset += start_[c] * start_strides_[c];
    }
    return offset;
  }

 private:
  const Dims& dims_;
  const Dims& operand_dims_;
  const Dims& to_operand_;
  Dims window_strides_, index_strides_, start_strides_, start_;
  std::int64_t component_stride_ = 0, window_offset_ = 0;
};

}  // namespace

void run_step(const program::GatherParams& params, const StepContext& context) {
  const program::Operand &x = context.step.operands[0], &indices = context.step.operands[1];
  const program::Operand& out = context.step.results[0];
  const Dims dims = context.frames[0].dims(out);
  const Dims x_dims = context.frames[0].dims(x);
  const auto size = static_cast<std::int64_t>(dtype_size(out.dtype));
  std::int64_t count = 1;
  for (const std::int64_t dim : dims) count *= dim;
  // Elements of trailing dimensions that lie together in the operand are moved at once.
  std::int64_t together = 1;
  const Dims strides = strides_of(x_dims);
  std::size_t operand_dim = x_dims.size();
  for (std::size_t d = dims.size(); d-- > 0 && contains(params.offset_dims, d);) {
    while (operand_dim-- > 0 && contains(params.collapsed_slice_dims, operand_dim)) {
    }
    if (operand_dim >= x_dims.size() || strides[operand_dim] != together) break;
    together *= dims[d];
  }
  if (together == 0 || count == 0) return;
  for_share(context, count / together, together * size + 32, 1,
            [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
              Windows windows(dims, params.offset_dims, x_dims, params.collapsed_slice_dims, params.start_index_map,
                              indices.dims, params.index_vector_dim);
              const std::byte *from = frame.at(x), *index = frame.at(indices);
              std::byte* to = frame.at(out);
              for (std::int64_t i = begin; i < end; ++i) {
                windows.seek(i * together, indices.dtype, index);
                std::memcpy(to + i * together * size, from + windows.clamped(params.slice_sizes) * size,
                            static_cast<std::size_t>(together * size));
              }
            });
}

// One thread for each rank: updates may meet, and are combined in row-major order.
void run_step(const program::ScatterParams& params, const StepContext& context) {
  const program::Operand &indices = context.step.operands[0], &updates = context.step.operands[1];
  const program::Operand& out = context.step.results[0];
  const Dims dims = context.frames[0].dims(updates);
  const auto size = static_cast<std::int64_t>(dtype_size(out.dtype));
  std::int64_t count = 1;
  for (const std::int64_t dim : dims) count *= dim;
  Dims window_sizes;
  std::size_t next = 0;
  for (std::size_t d = 0; d < out.dims.size(); ++d) {
    const bool inserted = contains(params.inserted_window_dims, d);
    window_sizes.push_back(inserted ? 1 : dims[static_cast<std::size_t>(params.update_window_dims[next++])]);
  }
  for_share(context, 1, count * 64, 1, [&](const Frame& frame, std::int64_t, std::int64_t) {
    Windows windows(dims, params.update_window_dims, out.dims, params.inserted_window_dims,
                    params.scatter_dims_to_operand_dims, indices.dims, params.index_vector_dim);
    const std::byte *index = frame.at(indices), *from = frame.at(updates);
    std::byte* to = frame.at(out);
    for (std::int64_t i = 0; i < count; ++i) {
      windows.seek(i, indices.dtype, index);
      const std::int64_t at = windows.inside(window_sizes);
      if (at < 0) continue;
      const std::byte* update = from + i * size;
      if (params.overwrite) {
        std::memcpy(to + at * size, update, static_cast<std::size_t>(size));
      } else if (params.combine == program::Combine::kProgram) {
        Callee callee(*context.step.called[0], frame, context.team);
        const std::byte* arguments[2] = {to + at * size, update};
        std::memcpy(to + at * size, callee(arguments), static_cast<std::size_t>(size));
      } else {
        combine_into(params.combine, out.dtype, to + at * size, update);
      }
    }
  });
}

}  // namespace ganglion::runtime::cpu
