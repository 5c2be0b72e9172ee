// Reductions. Every result starts from init and takes the reduced elements in row-major order.
#include <algorithm>

#include "runtime/cpu/callee.h"
#include "runtime/cpu/combine.h"
#include "runtime/cpu/steps.h"

namespace ganglion::runtime::cpu {
namespace {

// Walks a list of dimensions in row-major order.
class Walk {
 public:
  Walk(const Dims& dims, const Dims& strides) : dims_(dims), strides_(strides), index_(dims.size(), 0) {}
  std::int64_t offset() const { return offset_; }
  void seek(std::int64_t position) {
    offset_ = 0;
    for (std::size_t d = dims_.size(); d-- > 0;) {
      index_[d] = position % dims_[d];
      position /= dims_[d];
      offset_ += index_[d] * strides_[d];
    }
  }
  void next() {
    for (std::size_t d = dims_.size(); d-- > 0;) {
      offset_ += strides_[d];
      if (++index_[d] < dims_[d]) return;
      offset_ -= dims_[d] * strides_[d];
      index_[d] = 0;
    }
  }

 private:
  const Dims& dims_;
  const Dims& strides_;
  Dims index_;
  std::int64_t offset_ = 0;
};

std::int64_t product(const Dims& dims) {
  std::int64_t count = 1;
  for (const std::int64_t dim : dims) count *= dim;
  return count;
}

}  // namespace

void run_step(const program::ReduceParams& params, const StepContext& context) {
  const program::Operand& x = context.step.operands[0];
  Dims kept = params.kept, reduced = params.reduced;
  const std::int64_t rows = x.dims.empty() ? 1 : context.frames[0].rows_of(x.rows, x.dims[0]);
  if (params.rows_kept) kept[0] = rows;
  if (params.rows_reduced) reduced[0] = rows;
  const std::int64_t inner = product(reduced);
  const auto size = static_cast<std::int64_t>(dtype_size(x.dtype));
  const std::int64_t cost = std::max<std::int64_t>(1, inner) * (params.combine == program::Combine::kProgram ? 256 : 8);
  for_share(context, product(kept), cost, 1, [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
    const std::byte* from = frame.at(x);
    const std::byte* init = frame.at(context.step.operands[1]);
    std::byte* to = frame.at(context.step.results[0]);
    Walk outside(kept, params.kept_strides);
    Walk inside(reduced, params.reduced_strides);
    outside.seek(begin);
    for (std::int64_t i = begin; i < end; ++i, outside.next()) {
      std::byte* result = to + i * size;
      std::memcpy(result, init, static_cast<std::size_t>(size));
      if (inner > 0) inside.seek(0);
      if (params.combine == program::Combine::kProgram) {
        Callee callee(*context.step.called[0], frame, context.team);
        for (std::int64_t n = 0; n < inner; ++n, inside.next()) {
          const std::byte* arguments[2] = {result, from + (outside.offset() + inside.offset()) * size};
          std::memcpy(result, callee(arguments), static_cast<std::size_t>(size));
        }
      } else if (x.dtype == DType::kF32) {
        float sum = load_float(x.dtype, result);
        for (std::int64_t n = 0; n < inner; ++n, inside.next()) {
          const float value = load_float(x.dtype, from + (outside.offset() + inside.offset()) * size);
          sum = combine_floats(params.combine, sum, value);
        }
        store_float(x.dtype, result, sum);
      } else {
        for (std::int64_t n = 0; n < inner; ++n, inside.next()) {
          combine_into(params.combine, x.dtype, result, from + (outside.offset() + inside.offset()) * size);
        }
      }
    }
  });
}

}  // namespace ganglion::runtime::cpu
