// The instructions, with XLA's names and meaning. What each wants of its operands and gives is in shape_inference.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ganglion::hlo {

enum class Opcode : std::uint8_t {
  // sources
  kParameter,
  kConstant,
  kIota,
  // shape
  kBroadcast,
  kReshape,
  kTranspose,
  kConvert,
  kBitcastConvert,
  kConcatenate,
  kSlice,
  kDynamicSlice,
  kDynamicUpdateSlice,
  kPad,
  kReverse,
  // elementwise, one operand
  kNegate,
  kAbs,
  kExponential,
  kLog,
  kSqrt,
  kRsqrt,
  kTanh,
  kErf,
  kLogistic,
  kSign,
  kSine,
  kCosine,
  kFloor,
  kRoundNearestEven,
  kNot,
  // elementwise, two operands
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kMaximum,
  kMinimum,
  kPower,
  kRemainder,
  kAnd,
  kOr,
  kXor,
  kShiftLeft,
  kShiftRightLogical,
  // elementwise, other
  kCompare,
  kSelect,
  kClamp,
  // contractions, reductions, indexing
  kDot,
  kReduce,
  kGather,
  kScatter,
  kSort,
  // control
  kCall,
  kWhile,
  kTuple,
  kGetTupleElement,
  kCustomCall,
  // ranks
  kAllReduce,
  kAllGather,
  kReplicaId,
};
inline constexpr int kOpcodeCount = static_cast<int>(Opcode::kReplicaId) + 1;

std::string_view opcode_name(Opcode opcode) noexcept;  // "dynamic-update-slice"
std::optional<Opcode> parse_opcode(std::string_view name) noexcept;
bool is_elementwise_unary(Opcode opcode) noexcept;   // kNegate..kNot and kConvert are not all: kConvert is excluded
bool is_elementwise_binary(Opcode opcode) noexcept;  // kAdd..kShiftRightLogical

}  // namespace ganglion::hlo
