#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "reference/index.h"
#include "reference/operations.h"

namespace ganglion::reference {

// One accumulator per result element, fed in row-major order of the operand.
std::vector<Tensor> reduce(const hlo::Instruction& instruction, const Operands& operands,
                           const ScalarFunction& combine) {
  const std::size_t count = operands.size() / 2;
  const Dims& dims = operands[0].dims;
  Dims result_dims;
  for (std::size_t d = 0; d < dims.size(); ++d) {
    const Dims& reduced = instruction.dimensions;
    if (std::find(reduced.begin(), reduced.end(), static_cast<std::int64_t>(d)) == reduced.end())
      result_dims.push_back(dims[d]);
  }
  // How far each dimension of the operand moves in the result: not at all when it is reduced.
  const Dims result_strides = strides_of(result_dims);
  Dims strides;
  std::size_t next = 0;
  for (std::size_t d = 0; d < dims.size(); ++d) {
    const Dims& reduced = instruction.dimensions;
    const bool is_reduced = std::find(reduced.begin(), reduced.end(), static_cast<std::int64_t>(d)) != reduced.end();
    strides.push_back(is_reduced ? 0 : result_strides[next++]);
  }

  std::vector<Tensor> results;
  for (std::size_t n = 0; n < count; ++n) {
    expect_dims(instruction, operands[n].dims, dims);
    results.emplace_back(operands[n].dtype, result_dims);
    for (std::int64_t i = 0; i < results[n].elements(); ++i)
      store(results[n].mutable_view(), i, load(operands[count + n], 0));
  }
  std::int64_t i = 0;
  std::vector<Scalar> scalars(2 * count);
  for_each_index(dims, [&](const Dims& index) {
    const std::int64_t to = offset_of(index, strides);
    for (std::size_t n = 0; n < count; ++n) {
      scalars[n] = load(results[n].view(), to);
      scalars[count + n] = load(operands[n], i);
    }
    ++i;
    const std::vector<Scalar> combined = combine(scalars);
    for (std::size_t n = 0; n < count; ++n) store(results[n].mutable_view(), to, combined.at(n));
  });
  return results;
}

// Every line along the dimension is sorted by a permutation that all operands share. Stable whether or not it is asked
// for.
std::vector<Tensor> sort(const hlo::Instruction& instruction, const Operands& operands,
                         const ScalarFunction& comes_before) {
  const Dims& dims = operands[0].dims;
  const auto dimension = static_cast<std::size_t>(instruction.dimensions.at(0));
  std::vector<Tensor> results;
  for (const TensorView& operand : operands) {
    expect_dims(instruction, operand.dims, dims);
    results.emplace_back(operand.dtype, dims);
  }
  const Dims strides = strides_of(dims);
  const std::int64_t step = strides[dimension];
  Dims lines = dims;
  lines[dimension] = 1;
  if (dims[dimension] == 0) return results;
  std::vector<std::int64_t> order(static_cast<std::size_t>(dims[dimension]));
  std::vector<Scalar> scalars(2 * operands.size());
  for_each_index(lines, [&](const Dims& line) {
    const std::int64_t start = offset_of(line, strides);
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
      for (std::size_t n = 0; n < operands.size(); ++n) {
        scalars[2 * n] = load(operands[n], start + a * step);
        scalars[2 * n + 1] = load(operands[n], start + b * step);
      }
      return comes_before(scalars).at(0).integer != 0;
    });
    for (std::size_t n = 0; n < operands.size(); ++n) {
      for (std::size_t i = 0; i < order.size(); ++i) {
        store(results[n].mutable_view(), start + static_cast<std::int64_t>(i) * step,
              load(operands[n], start + order[i] * step));
      }
    }
  });
  return results;
}

}  // namespace ganglion::reference
