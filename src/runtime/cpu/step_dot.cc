// A dot of any shape. Every output element is summed over the contracted index in order, in f32 for floats.
#include <algorithm>

#include "runtime/cpu/element_types.h"
#include "runtime/cpu/steps.h"

namespace ganglion::runtime::cpu {
namespace {

// Offsets of all positions of a list of dimensions, first outermost.
std::vector<std::int64_t> offsets(const Dims& dims, const Dims& strides) {
  std::vector<std::int64_t> out = {0};
  for (std::size_t d = 0; d < dims.size(); ++d) {
    std::vector<std::int64_t> next;
    next.reserve(out.size() * static_cast<std::size_t>(dims[d]));
    for (const std::int64_t base : out) {
      for (std::int64_t i = 0; i < dims[d]; ++i) next.push_back(base + i * strides[d]);
    }
    out = std::move(next);
  }
  return out;
}

std::int64_t product(const Dims& dims) {
  std::int64_t count = 1;
  for (const std::int64_t dim : dims) count *= dim;
  return count;
}

template <typename T>
struct Accumulate;
template <>
struct Accumulate<float> {
  static float load(DType dtype, const std::byte* base, std::int64_t i) {
    return load_float(dtype, base + i * static_cast<std::int64_t>(dtype_size(dtype)));
  }
  static void store(DType dtype, std::byte* at, float value) { store_float(dtype, at, value); }
  static float multiply_add(float sum, float a, float b) { return sum + a * b; }
};
template <>
struct Accumulate<std::int64_t> {
  static std::int64_t load(DType dtype, const std::byte* base, std::int64_t i) {
    return load_integer(dtype, base + i * static_cast<std::int64_t>(dtype_size(dtype)));
  }
  static void store(DType dtype, std::byte* at, std::int64_t value) {
    store_integer(dtype, at, wrap_integer(dtype, value));
  }
  static std::int64_t multiply_add(std::int64_t sum, std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) +
                                     static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  }
};

struct Shape {
  Dims batch, lhs_free, contracted;
};

// Output rows [begin, end), a row being one (batch, lhs free) pair.
template <typename T>
void rows_of_dot(const program::DotParams& params, const Shape& shape, const program::Step& step, const Frame& frame,
                 std::int64_t begin, std::int64_t end) {
  const program::Operand &lhs = step.operands[0], &rhs = step.operands[1], &out = step.results[0];
  const std::byte *a = frame.at(lhs), *b = frame.at(rhs);
  std::byte* to = frame.at(out);
  const auto lhs_batch = offsets(shape.batch, params.lhs_batch_strides);
  const auto rhs_batch = offsets(shape.batch, params.rhs_batch_strides);
  const auto lhs_free = offsets(shape.lhs_free, params.lhs_free_strides);
  const auto rhs_free = offsets(params.rhs_free, params.rhs_free_strides);
  const auto lhs_in = offsets(shape.contracted, params.lhs_contracted_strides);
  const auto rhs_in = offsets(shape.contracted, params.rhs_contracted_strides);
  const std::size_t columns = rhs_free.size(), depth = lhs_in.size();
  const auto size = static_cast<std::int64_t>(dtype_size(out.dtype));
  std::vector<T> sums(columns);
  for (std::int64_t row = begin; row < end; ++row) {
    const auto batch = static_cast<std::size_t>(row) / lhs_free.size();
    const std::int64_t a_base = lhs_batch[batch] + lhs_free[static_cast<std::size_t>(row) % lhs_free.size()];
    const std::int64_t b_base = rhs_batch[batch];
    std::fill(sums.begin(), sums.end(), T{});
    // Every sum goes over k in order; which loop is outside decides only how memory is walked.
    const bool plain = std::is_same_v<T, float> && rhs.dtype == DType::kF32;
    for (std::size_t k = 0; k < depth; ++k) {
      const T x = Accumulate<T>::load(lhs.dtype, a, a_base + lhs_in[k]);
      const std::int64_t b_row = b_base + rhs_in[k];
      if (plain) {
        const auto* values = reinterpret_cast<const float*>(b) + b_row;
        for (std::size_t c = 0; c < columns; ++c) {
          sums[c] = Accumulate<T>::multiply_add(sums[c], x, static_cast<T>(values[rhs_free[c]]));
        }
      } else {
        for (std::size_t c = 0; c < columns; ++c) {
          sums[c] = Accumulate<T>::multiply_add(sums[c], x, Accumulate<T>::load(rhs.dtype, b, b_row + rhs_free[c]));
        }
      }
    }
    std::byte* line = to + row * static_cast<std::int64_t>(columns) * size;
    for (std::size_t c = 0; c < columns; ++c) {
      Accumulate<T>::store(out.dtype, line + static_cast<std::int64_t>(c) * size, sums[c]);
    }
  }
}

}  // namespace

void run_step(const program::DotParams& params, const StepContext& context) {
  using RowsIn = program::DotParams::RowsIn;
  Shape shape{params.batch, params.lhs_free, params.contracted};
  if (params.rows_in != RowsIn::kNowhere) {
    Dims& list = params.rows_in == RowsIn::kBatch  ? shape.batch
                 : params.rows_in == RowsIn::kFree ? shape.lhs_free
                                                   : shape.contracted;
    list[0] = context.frames[0].rows_of(params.rows, list[0]);
  }
  const std::int64_t rows = product(shape.batch) * product(shape.lhs_free);
  const std::int64_t cost = product(params.rhs_free) * product(shape.contracted);
  if (rows == 0 || product(params.rhs_free) == 0) return;
  const bool floats = is_float(context.step.results[0].dtype);
  for_share(context, rows, cost, 1, [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
    floats ? rows_of_dot<float>(params, shape, context.step, frame, begin, end)
           : rows_of_dot<std::int64_t>(params, shape, context.step, frame, begin, end);
  });
}

}  // namespace ganglion::runtime::cpu
