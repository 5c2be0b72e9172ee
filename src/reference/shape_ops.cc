// Operations that move elements and never look at them, and iota.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "reference/index.h"
#include "reference/operations.h"

namespace ganglion::reference {
namespace {

using hlo::Opcode;

// Copies one element of operand `from` at offset i to offset o of the result.
void copy_element(Tensor& result, std::int64_t o, const TensorView& from, std::int64_t i) {
  const std::size_t size = dtype_size(from.dtype);
  std::memcpy(result.data() + static_cast<std::size_t>(o) * size, from.data + static_cast<std::size_t>(i) * size, size);
}

// result[index] = x[start + sum(index * strides)], offsets in elements of x.
Tensor strided_copy(const TensorView& x, const Dims& dims, std::int64_t start, const Dims& strides) {
  Tensor result(x.dtype, dims);
  std::int64_t o = 0;
  for_each_index(dims, [&](const Dims& index) { copy_element(result, o++, x, start + offset_of(index, strides)); });
  return result;
}

Tensor iota(const hlo::Instruction& instruction, const Dims& dims) {
  Tensor result(instruction.shape.dtype, dims);
  const auto dimension = static_cast<std::size_t>(instruction.dimensions.at(0));
  const MutableTensorView out = result.mutable_view();
  std::int64_t o = 0;
  for_each_index(dims, [&](const Dims& index) {
    store(out, o++, convert(instruction.shape.dtype, {DType::kS64, 0, index[dimension]}));
  });
  return result;
}

Tensor broadcast(const hlo::Instruction& instruction, const TensorView& x, const Dims& dims) {
  const Dims operand_strides = strides_of(x.dims);
  Dims strides(dims.size(), 0);
  Dims wanted = x.dims;
  for (std::size_t d = 0; d < x.dims.size(); ++d) {
    const auto to = static_cast<std::size_t>(instruction.dimensions.at(d));
    strides.at(to) = operand_strides[d];
    wanted[d] = dims[to];
  }
  expect_dims(instruction, x.dims, wanted);
  return strided_copy(x, dims, 0, strides);
}

Tensor transpose(const hlo::Instruction& instruction, const TensorView& x, const Dims& dims) {
  const Dims operand_strides = strides_of(x.dims);
  Dims strides(dims.size());
  for (std::size_t d = 0; d < dims.size(); ++d) {
    const auto from = static_cast<std::size_t>(instruction.dimensions.at(d));
    strides[d] = operand_strides.at(from);
    GANGLION_CHECK(dims[d] == x.dims[from]);
  }
  return strided_copy(x, dims, 0, strides);
}

Tensor reverse(const hlo::Instruction& instruction, const TensorView& x) {
  Dims strides = strides_of(x.dims);
  std::int64_t start = 0;
  for (const std::int64_t d : instruction.dimensions) {
    const auto reversed = static_cast<std::size_t>(d);
    start += strides.at(reversed) * (x.dims[reversed] - 1);
    strides[reversed] = -strides[reversed];
  }
  return strided_copy(x, x.dims, start, strides);
}

Tensor slice(const hlo::Instruction& instruction, const TensorView& x, const Dims& dims) {
  Dims strides = strides_of(x.dims);
  const std::int64_t start = offset_of(instruction.starts, strides);
  for (std::size_t d = 0; d < dims.size(); ++d) {
    const std::int64_t stride = instruction.strides.empty() ? 1 : instruction.strides[d];
    if (dims[d] > 0) GANGLION_CHECK(instruction.starts[d] + (dims[d] - 1) * stride < x.dims[d]);
    strides[d] *= stride;
  }
  return strided_copy(x, dims, start, strides);
}

// Start operands (from operand `first` on), moved so that a window of `sizes` fits in `dims`.
Dims clamped_starts(const Operands& operands, std::size_t first, const Dims& dims, const Dims& sizes) {
  Dims starts(dims.size());
  for (std::size_t d = 0; d < dims.size(); ++d) {
    GANGLION_CHECK(sizes[d] <= dims[d]);
    starts[d] = std::clamp<std::int64_t>(load(operands.at(first + d), 0).integer, 0, dims[d] - sizes[d]);
  }
  return starts;
}

Tensor dynamic_slice(const Operands& operands, const Dims& dims) {
  const TensorView& x = operands[0];
  const Dims strides = strides_of(x.dims);
  return strided_copy(x, dims, offset_of(clamped_starts(operands, 1, x.dims, dims), strides), strides);
}

Tensor copy_of(const TensorView& x) {
  Tensor result(x.dtype, x.dims);
  if (result.bytes() != 0) std::memcpy(result.data(), x.data, result.bytes());
  return result;
}

Tensor dynamic_update_slice(const Operands& operands) {
  const TensorView& update = operands[1];
  Tensor result = copy_of(operands[0]);
  const Dims strides = strides_of(result.dims());
  const std::int64_t start = offset_of(clamped_starts(operands, 2, result.dims(), update.dims), strides);
  std::int64_t i = 0;
  for_each_index(update.dims,
                 [&](const Dims& index) { copy_element(result, start + offset_of(index, strides), update, i++); });
  return result;
}

Tensor concatenate(const hlo::Instruction& instruction, const Operands& operands, const Dims& dims) {
  const auto dimension = static_cast<std::size_t>(instruction.dimensions.at(0));
  Tensor result(instruction.shape.dtype, dims);
  const Dims strides = strides_of(dims);
  std::int64_t begin = 0;
  for (const TensorView& part : operands) {
    Dims wanted = dims;
    wanted[dimension] = part.dims[dimension];
    expect_dims(instruction, part.dims, wanted);
    GANGLION_CHECK(begin + part.dims[dimension] <= dims[dimension]);
    std::int64_t i = 0;
    for_each_index(part.dims, [&](const Dims& index) {
      copy_element(result, offset_of(index, strides) + begin * strides[dimension], part, i++);
    });
    begin += part.dims[dimension];
  }
  GANGLION_CHECK(begin == dims[dimension]);
  return result;
}

// The operand's element along one dimension that lands at `position` of the padded dimension; -1: padding.
std::int64_t unpadded(std::int64_t position, const hlo::PaddingDim& padding, std::int64_t size) {
  const std::int64_t inner = position - padding.low;
  const std::int64_t step = padding.interior + 1;
  if (inner < 0 || inner % step != 0 || inner / step >= size) return -1;
  return inner / step;
}

Tensor pad(const hlo::Instruction& instruction, const Operands& operands, const Dims& dims) {
  const TensorView& x = operands[0];
  Tensor result(x.dtype, dims);
  const Dims strides = strides_of(x.dims);
  std::int64_t o = 0;
  for_each_index(dims, [&](const Dims& index) {
    std::int64_t from = 0;
    bool inside = true;
    for (std::size_t d = 0; d < dims.size(); ++d) {
      const std::int64_t position = unpadded(index[d], instruction.padding[d], x.dims[d]);
      inside = inside && position >= 0;
      from += position * strides[d];
    }
    if (inside) {
      copy_element(result, o++, x, from);
    } else {
      copy_element(result, o++, operands[1], 0);
    }
  });
  return result;
}

}  // namespace

Tensor shape_op(const hlo::Instruction& instruction, const Operands& operands, const Dims& dims) {
  switch (instruction.opcode) {
    case Opcode::kIota:
      return iota(instruction, dims);
    case Opcode::kBroadcast:
      return broadcast(instruction, operands[0], dims);
    case Opcode::kTranspose:
      return transpose(instruction, operands[0], dims);
    case Opcode::kConcatenate:
      return concatenate(instruction, operands, dims);
    case Opcode::kSlice:
      return slice(instruction, operands[0], dims);
    case Opcode::kDynamicSlice:
      return dynamic_slice(operands, dims);
    case Opcode::kDynamicUpdateSlice:
      return dynamic_update_slice(operands);
    case Opcode::kPad:
      return pad(instruction, operands, dims);
    case Opcode::kReverse:
      return reverse(instruction, operands[0]);
    default:
      fail(Code::kInternal, "{}: {} is not a shape operation", hlo::where(instruction),
           hlo::opcode_name(instruction.opcode));
  }
}

}  // namespace ganglion::reference
