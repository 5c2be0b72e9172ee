#include "compiler/element_ops.h"

namespace ganglion::compiler {

using hlo::Opcode;
using program::Combine;
using program::ElementOp;

std::optional<ElementOp> element_op(const hlo::Instruction& instruction) {
  switch (instruction.opcode) {
    case Opcode::kConvert:
      return ElementOp::kConvert;
    case Opcode::kNegate:
      return ElementOp::kNegate;
    case Opcode::kAbs:
      return ElementOp::kAbs;
    case Opcode::kExponential:
      return ElementOp::kExponential;
    case Opcode::kLog:
      return ElementOp::kLog;
    case Opcode::kSqrt:
      return ElementOp::kSqrt;
    case Opcode::kRsqrt:
      return ElementOp::kRsqrt;
    case Opcode::kTanh:
      return ElementOp::kTanh;
    case Opcode::kErf:
      return ElementOp::kErf;
    case Opcode::kLogistic:
      return ElementOp::kLogistic;
    case Opcode::kSign:
      return ElementOp::kSign;
    case Opcode::kSine:
      return ElementOp::kSine;
    case Opcode::kCosine:
      return ElementOp::kCosine;
    case Opcode::kFloor:
      return ElementOp::kFloor;
    case Opcode::kRoundNearestEven:
      return ElementOp::kRoundNearestEven;
    case Opcode::kNot:
      return ElementOp::kNot;
    case Opcode::kAdd:
      return ElementOp::kAdd;
    case Opcode::kSubtract:
      return ElementOp::kSubtract;
    case Opcode::kMultiply:
      return ElementOp::kMultiply;
    case Opcode::kDivide:
      return ElementOp::kDivide;
    case Opcode::kMaximum:
      return ElementOp::kMaximum;
    case Opcode::kMinimum:
      return ElementOp::kMinimum;
    case Opcode::kPower:
      return ElementOp::kPower;
    case Opcode::kRemainder:
      return ElementOp::kRemainder;
    case Opcode::kAnd:
      return ElementOp::kAnd;
    case Opcode::kOr:
      return ElementOp::kOr;
    case Opcode::kXor:
      return ElementOp::kXor;
    case Opcode::kShiftLeft:
      return ElementOp::kShiftLeft;
    case Opcode::kShiftRightLogical:
      return ElementOp::kShiftRightLogical;
    case Opcode::kSelect:
      return ElementOp::kSelect;
    case Opcode::kClamp:
      return ElementOp::kClamp;
    case Opcode::kCompare:
      switch (instruction.comparison) {
        case hlo::Comparison::kEq:
          return ElementOp::kEqual;
        case hlo::Comparison::kNe:
          return ElementOp::kNotEqual;
        case hlo::Comparison::kGe:
          return ElementOp::kGreaterEqual;
        case hlo::Comparison::kGt:
          return ElementOp::kGreater;
        case hlo::Comparison::kLe:
          return ElementOp::kLessEqual;
        case hlo::Comparison::kLt:
          return ElementOp::kLess;
      }
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<Combiner> combiner(const hlo::Computation& computation) {
  const hlo::Instruction* root = computation.root;
  if (root->opcode == Opcode::kParameter && root->parameter_number == 1) return Combiner{Combine::kAdd, true};
  if (root->operands.size() != 2) return std::nullopt;
  for (int i = 0; i < 2; ++i) {
    const hlo::Instruction* operand = root->operands[static_cast<std::size_t>(i)];
    if (operand->opcode != Opcode::kParameter || operand->parameter_number != i) return std::nullopt;
  }
  switch (root->opcode) {
    case Opcode::kAdd:
      return Combiner{Combine::kAdd, false};
    case Opcode::kMultiply:
      return Combiner{Combine::kMultiply, false};
    case Opcode::kMaximum:
      return Combiner{Combine::kMaximum, false};
    case Opcode::kMinimum:
      return Combiner{Combine::kMinimum, false};
    case Opcode::kAnd:
      return Combiner{Combine::kAnd, false};
    case Opcode::kOr:
      return Combiner{Combine::kOr, false};
    default:
      return std::nullopt;
  }
}

}  // namespace ganglion::compiler
