// Contraction over any dimensions with any batch dimensions. Result dims: batch, free of lhs, free of rhs.
#include <algorithm>

#include "base/error.h"
#include "reference/index.h"
#include "reference/operations.h"

namespace ganglion::reference {
namespace {

// Offsets of every combination of the given dimensions of an operand, row-major in the order they are listed.
std::vector<std::int64_t> offsets_over(const Dims& dims, const Dims& dimensions) {
  const Dims strides = strides_of(dims);
  Dims sizes, steps;
  for (const std::int64_t d : dimensions) {
    sizes.push_back(dims.at(static_cast<std::size_t>(d)));
    steps.push_back(strides[static_cast<std::size_t>(d)]);
  }
  std::vector<std::int64_t> offsets;
  for_each_index(sizes, [&](const Dims& index) { offsets.push_back(offset_of(index, steps)); });
  return offsets;
}

// The dimensions in neither list, in order.
Dims free_dimensions(const Dims& dims, const Dims& batch, const Dims& contracting) {
  Dims free;
  for (std::int64_t d = 0; d < static_cast<std::int64_t>(dims.size()); ++d) {
    const bool used =
        std::count(batch.begin(), batch.end(), d) + std::count(contracting.begin(), contracting.end(), d) > 0;
    if (!used) free.push_back(d);
  }
  return free;
}

template <typename Number>
std::vector<Number> all_of(const TensorView& tensor) {
  std::vector<Number> numbers(static_cast<std::size_t>(element_count(tensor.dims)));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const Scalar value = load(tensor, static_cast<std::int64_t>(i));
    if constexpr (std::is_same_v<Number, float>) {
      numbers[i] = value.real;
    } else {
      numbers[i] = static_cast<Number>(value.integer);
    }
  }
  return numbers;
}

// Number: float, or u64, whose wrapped sums hold the low bits of any integer type's.
template <typename Number>
std::vector<Number> contract(const hlo::DotDims& dims, const TensorView& lhs, const TensorView& rhs) {
  const auto lhs_batch = offsets_over(lhs.dims, dims.lhs_batch);
  const auto rhs_batch = offsets_over(rhs.dims, dims.rhs_batch);
  const auto lhs_free = offsets_over(lhs.dims, free_dimensions(lhs.dims, dims.lhs_batch, dims.lhs_contracting));
  const auto rhs_free = offsets_over(rhs.dims, free_dimensions(rhs.dims, dims.rhs_batch, dims.rhs_contracting));
  const auto lhs_sum = offsets_over(lhs.dims, dims.lhs_contracting);
  const auto rhs_sum = offsets_over(rhs.dims, dims.rhs_contracting);
  GANGLION_CHECK(lhs_batch.size() == rhs_batch.size());
  if (lhs_sum.size() != rhs_sum.size()) {
    fail(Code::kInvalidArgument, "[reference] dot: contracted sizes {} and {} differ in this run", lhs_sum.size(),
         rhs_sum.size());
  }
  const std::vector<Number> a = all_of<Number>(lhs);
  const std::vector<Number> b = all_of<Number>(rhs);
  std::vector<Number> result;
  result.reserve(lhs_batch.size() * lhs_free.size() * rhs_free.size());
  for (std::size_t batch = 0; batch < lhs_batch.size(); ++batch) {
    for (const std::int64_t row : lhs_free) {
      for (const std::int64_t column : rhs_free) {
        const Number* x = a.data() + lhs_batch[batch] + row;
        const Number* y = b.data() + rhs_batch[batch] + column;
        Number sum = 0;
        for (std::size_t k = 0; k < lhs_sum.size(); ++k) sum += x[lhs_sum[k]] * y[rhs_sum[k]];
        result.push_back(sum);
      }
    }
  }
  return result;
}

}  // namespace

Tensor dot(const hlo::Instruction& instruction, const Operands& operands, const Dims& dims) {
  const DType dtype = instruction.shape.dtype;
  Tensor result(dtype, dims);
  const MutableTensorView out = result.mutable_view();
  if (is_float(dtype)) {
    const std::vector<float> sums = contract<float>(instruction.dot, operands[0], operands[1]);
    GANGLION_CHECK(static_cast<std::int64_t>(sums.size()) == result.elements());
    for (std::size_t i = 0; i < sums.size(); ++i) store(out, static_cast<std::int64_t>(i), {dtype, sums[i], 0});
  } else {
    const std::vector<std::uint64_t> sums = contract<std::uint64_t>(instruction.dot, operands[0], operands[1]);
    GANGLION_CHECK(static_cast<std::int64_t>(sums.size()) == result.elements());
    for (std::size_t i = 0; i < sums.size(); ++i) {
      store(out, static_cast<std::int64_t>(i), {dtype, 0, wrap(dtype, static_cast<std::int64_t>(sums[i]))});
    }
  }
  return result;
}

}  // namespace ganglion::reference
