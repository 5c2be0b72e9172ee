// One element at a time, through scalar.h.
#include <cstring>

#include "base/error.h"
#include "reference/operations.h"

namespace ganglion::reference {
namespace {

using hlo::Opcode;

Tensor unary(const hlo::Instruction& instruction, const TensorView& x, const Dims& dims) {
  Tensor result(instruction.shape.dtype, dims);
  const MutableTensorView out = result.mutable_view();
  for (std::int64_t i = 0; i < result.elements(); ++i) store(out, i, apply(instruction.opcode, load(x, i)));
  return result;
}

Tensor binary(const hlo::Instruction& instruction, const TensorView& a, const TensorView& b, const Dims& dims) {
  Tensor result(instruction.shape.dtype, dims);
  const MutableTensorView out = result.mutable_view();
  for (std::int64_t i = 0; i < result.elements(); ++i) store(out, i, apply(instruction.opcode, load(a, i), load(b, i)));
  return result;
}

Tensor compare_all(const hlo::Instruction& instruction, const TensorView& a, const TensorView& b, const Dims& dims) {
  Tensor result(DType::kPred, dims);
  for (std::int64_t i = 0; i < result.elements(); ++i) {
    result.as<std::uint8_t>()[static_cast<std::size_t>(i)] = compare(instruction.comparison, load(a, i), load(b, i));
  }
  return result;
}

// Position of element i in an operand that may be a scalar meant for every element.
std::int64_t at(const TensorView& operand, std::int64_t i) { return operand.dims.empty() ? 0 : i; }

Tensor select(const hlo::Instruction& instruction, const Operands& operands, const Dims& dims) {
  Tensor result(instruction.shape.dtype, dims);
  const MutableTensorView out = result.mutable_view();
  for (std::int64_t i = 0; i < result.elements(); ++i) {
    store(out, i, load(operands[load(operands[0], at(operands[0], i)).integer != 0 ? 1 : 2], i));
  }
  return result;
}

// min(max(x, low), high): where low > high, the result is high; NaN anywhere gives NaN.
Tensor clamp(const hlo::Instruction& instruction, const Operands& operands, const Dims& dims) {
  Tensor result(instruction.shape.dtype, dims);
  const MutableTensorView out = result.mutable_view();
  for (std::int64_t i = 0; i < result.elements(); ++i) {
    const Scalar raised = apply(Opcode::kMaximum, load(operands[1], i), load(operands[0], at(operands[0], i)));
    store(out, i, apply(Opcode::kMinimum, raised, load(operands[2], at(operands[2], i))));
  }
  return result;
}

Tensor convert_all(const hlo::Instruction& instruction, const TensorView& x, const Dims& dims) {
  Tensor result(instruction.shape.dtype, dims);
  const MutableTensorView out = result.mutable_view();
  for (std::int64_t i = 0; i < result.elements(); ++i) store(out, i, convert(instruction.shape.dtype, load(x, i)));
  return result;
}

Tensor bitcast(const hlo::Instruction& instruction, const TensorView& x, const Dims& dims) {
  Tensor result(instruction.shape.dtype, dims);
  GANGLION_CHECK(result.bytes() == x.bytes());
  if (result.bytes() != 0) std::memcpy(result.data(), x.data, result.bytes());
  return result;
}

}  // namespace

void expect_dims(const hlo::Instruction& instruction, const Dims& seen, const Dims& wanted) {
  if (seen == wanted) return;
  fail(Code::kInvalidArgument, "{}: an operand of {} has dims {} in this run, wanted {}; bounded rows must agree",
       hlo::where(instruction), hlo::opcode_name(instruction.opcode), shape_text(instruction.shape.dtype, seen),
       shape_text(instruction.shape.dtype, wanted));
}

Tensor elementwise(const hlo::Instruction& instruction, const Operands& operands, const Dims& dims) {
  const bool takes_scalars = instruction.opcode == Opcode::kSelect || instruction.opcode == Opcode::kClamp;
  for (const TensorView& operand : operands) {
    if (takes_scalars && operand.dims.empty()) continue;
    expect_dims(instruction, operand.dims, dims);
  }
  switch (instruction.opcode) {
    case Opcode::kConvert:
      return convert_all(instruction, operands[0], dims);
    case Opcode::kBitcastConvert:
      return bitcast(instruction, operands[0], dims);
    case Opcode::kCompare:
      return compare_all(instruction, operands[0], operands[1], dims);
    case Opcode::kSelect:
      return select(instruction, operands, dims);
    case Opcode::kClamp:
      return clamp(instruction, operands, dims);
    default:
      break;
  }
  if (hlo::is_elementwise_unary(instruction.opcode)) return unary(instruction, operands[0], dims);
  if (hlo::is_elementwise_binary(instruction.opcode)) return binary(instruction, operands[0], operands[1], dims);
  fail(Code::kInternal, "{}: {} is not elementwise", hlo::where(instruction), hlo::opcode_name(instruction.opcode));
}

}  // namespace ganglion::reference
