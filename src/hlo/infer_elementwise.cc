#include "hlo/infer.h"

namespace ganglion::hlo::infer {
namespace {

void want_arithmetic(const Instruction& i, DType dtype) {
  if (dtype == DType::kPred) refuse(i, "wants numbers, got pred");
}

void want_float(const Instruction& i, DType dtype) {
  if (!is_float(dtype)) refuse(i, "wants a float type, got {}", dtype_name(dtype));
}

void want_bits(const Instruction& i, DType dtype) {
  if (is_float(dtype)) refuse(i, "wants pred or an integer type, got {}", dtype_name(dtype));
}

// Same dims and same rows; element types are the caller's business.
void want_same_dims(const Instruction& i, const Shape& a, const Shape& b) {
  if (a.dims != b.dims) refuse(i, "dims differ; broadcast on purpose");
  if (a.bounded != b.bounded)
    refuse(i, "one has bounded rows, the other exactly {}; both must have the same rows", a.dims[0]);
}

void want_equal(const Instruction& i, const Shape& a, const Shape& b) {
  if (a.dtype != b.dtype) refuse(i, "types {} and {} differ", dtype_name(a.dtype), dtype_name(b.dtype));
  want_same_dims(i, a, b);
}

}  // namespace

Shape elementwise_unary(const Instruction& i) {
  want_operands(i, 1);
  const Shape& x = array_operand(i, 0);
  switch (i.opcode) {
    case Opcode::kNegate:
      want_arithmetic(i, x.dtype);
      break;
    case Opcode::kAbs:
    case Opcode::kSign:
      if (!is_float(x.dtype) && !is_signed(x.dtype))
        refuse(i, "wants a float or signed type, got {}", dtype_name(x.dtype));
      break;
    case Opcode::kNot:
      want_bits(i, x.dtype);
      break;
    default:
      want_float(i, x.dtype);
      break;
  }
  return x;
}

Shape elementwise_binary(const Instruction& i) {
  want_operands(i, 2);
  const Shape& a = array_operand(i, 0);
  want_equal(i, a, array_operand(i, 1));
  switch (i.opcode) {
    case Opcode::kAnd:
    case Opcode::kOr:
    case Opcode::kXor:
      want_bits(i, a.dtype);
      break;
    case Opcode::kShiftLeft:
    case Opcode::kShiftRightLogical:
      if (!is_integer(a.dtype)) refuse(i, "wants an integer type, got {}", dtype_name(a.dtype));
      break;
    default:
      want_arithmetic(i, a.dtype);
      break;
  }
  return a;
}

Shape compare(const Instruction& i) {
  want_operands(i, 2);
  const Shape& a = array_operand(i, 0);
  want_equal(i, a, array_operand(i, 1));
  if (i.comparison > Comparison::kLt) refuse(i, "unknown comparison {}", static_cast<int>(i.comparison));
  return Shape::array(DType::kPred, a.dims, a.bounded);
}

Shape select(const Instruction& i) {
  want_operands(i, 3);
  const Shape& condition = array_operand(i, 0);
  const Shape& on_true = array_operand(i, 1);
  if (condition.dtype != DType::kPred) refuse(i, "the condition is {}, wants pred", dtype_name(condition.dtype));
  want_equal(i, on_true, array_operand(i, 2));
  want_same_dims(i, condition, on_true);
  return on_true;
}

Shape clamp(const Instruction& i) {
  want_operands(i, 3);
  const Shape& x = array_operand(i, 1);
  want_arithmetic(i, x.dtype);
  for (const std::size_t limit : {0, 2}) {
    const Shape& shape = array_operand(i, limit);
    if (shape == Shape::array(x.dtype, {})) continue;
    want_equal(i, shape, x);
  }
  return x;
}

Shape convert(const Instruction& i) {
  want_operands(i, 1);
  if (static_cast<int>(i.shape.dtype) >= kDTypeCount) refuse(i, "unknown element type");
  const Shape& x = array_operand(i, 0);
  return Shape::array(i.shape.dtype, x.dims, x.bounded);
}

Shape bitcast_convert(const Instruction& i) {
  const Shape out = convert(i);
  const DType from = i.operands[0]->shape.dtype;
  if (dtype_size(from) != dtype_size(out.dtype) || (from == DType::kPred) != (out.dtype == DType::kPred)) {
    refuse(i, "to {}: element sizes differ", dtype_name(out.dtype));
  }
  return out;
}

}  // namespace ganglion::hlo::infer
