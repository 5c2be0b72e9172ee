#include "hlo/opcode.h"

#include <array>

namespace ganglion::hlo {
namespace {

// In the order of the enum.
constexpr std::array<std::string_view, kOpcodeCount> kNames = {"parameter",
                                                               "constant",
                                                               "iota",
                                                               "broadcast",
                                                               "reshape",
                                                               "transpose",
                                                               "convert",
                                                               "bitcast-convert",
                                                               "concatenate",
                                                               "slice",
                                                               "dynamic-slice",
                                                               "dynamic-update-slice",
                                                               "pad",
                                                               "reverse",
                                                               "negate",
                                                               "abs",
                                                               "exponential",
                                                               "log",
                                                               "sqrt",
                                                               "rsqrt",
                                                               "tanh",
                                                               "erf",
                                                               "logistic",
                                                               "sign",
                                                               "sine",
                                                               "cosine",
                                                               "floor",
                                                               "round-nearest-even",
                                                               "not",
                                                               "add",
                                                               "subtract",
                                                               "multiply",
                                                               "divide",
                                                               "maximum",
                                                               "minimum",
                                                               "power",
                                                               "remainder",
                                                               "and",
                                                               "or",
                                                               "xor",
                                                               "shift-left",
                                                               "shift-right-logical",
                                                               "compare",
                                                               "select",
                                                               "clamp",
                                                               "dot",
                                                               "reduce",
                                                               "gather",
                                                               "scatter",
                                                               "sort",
                                                               "call",
                                                               "while",
                                                               "tuple",
                                                               "get-tuple-element",
                                                               "custom-call",
                                                               "all-reduce",
                                                               "all-gather",
                                                               "replica-id"};

}  // namespace

std::string_view opcode_name(Opcode opcode) noexcept {
  const auto index = static_cast<std::size_t>(opcode);
  return index < kNames.size() ? kNames[index] : "?";
}

std::optional<Opcode> parse_opcode(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Opcode>(i);
  }
  return std::nullopt;
}

bool is_elementwise_unary(Opcode opcode) noexcept { return opcode >= Opcode::kNegate && opcode <= Opcode::kNot; }

bool is_elementwise_binary(Opcode opcode) noexcept {
  return opcode >= Opcode::kAdd && opcode <= Opcode::kShiftRightLogical;
}

}  // namespace ganglion::hlo
