#include <optional>

#include "compiler/passes.h"

namespace ganglion::compiler {
namespace {

using hlo::Opcode;
using program::Access;
using program::ElementOp;

// How result elements of a broadcast find their operand element, when the operand's dimensions stay together.
std::optional<Access> broadcast_access(const Node& node, const hlo::Shape& from) {
  const Dims& to = node.shape().dims;
  const Dims& dimensions = node.origin->dimensions;
  if (from.dims.empty()) return Access{1, 1};
  for (std::size_t i = 1; i < dimensions.size(); ++i) {
    if (dimensions[i] != dimensions[i - 1] + 1) return std::nullopt;
  }
  Access access;
  for (std::size_t i = static_cast<std::size_t>(dimensions.back()) + 1; i < to.size(); ++i) access.divisor *= to[i];
  std::int64_t count = 1;
  for (std::size_t i = 0; i < from.dims.size(); ++i) {
    if (from.dims[i] != to[static_cast<std::size_t>(dimensions[i])]) return std::nullopt;
    count *= from.dims[i];
  }
  if (access.divisor == 0 || count == 0) return std::nullopt;
  if (dimensions[0] != 0) access.period = count;
  return access;
}

// The outermost dimension is not repeated, so that bounded rows still count from the start.
bool is_zero(const Graph& graph, Value value) {
  const Node& node = graph.node(value);
  if (node.kind != NodeKind::kInstruction || node.opcode != Opcode::kConstant || !node.literal) return false;
  return node.literal->dtype() == DType::kF32 && node.literal->elements() == 1 && node.literal->as<float>()[0] == 0.0f;
}

// maximum(x, 0) in either order.
void find_relu(const Graph& graph, Node& node, program::ElementwiseParams& params) {
  if (params.instructions.size() != 1 || params.instructions[0].op != ElementOp::kMaximum ||
      params.instructions[0].to != DType::kF32) {
    return;
  }
  for (std::size_t zero = 0; zero < 2; ++zero) {
    if (!is_zero(graph, node.operands[zero]) || !params.accesses[1 - zero].full()) continue;
    node.operands = {node.operands[1 - zero]};
    params.accesses = {Access{}};
    params.instructions[0] = {ElementOp::kRelu, DType::kF32, DType::kF32, {0, 0, 0}};
    return;
  }
}

}  // namespace

void absorb_broadcasts(Graph& graph, const Unit& unit) {
  for (Node& node : graph.nodes) {
    if (node.dead) continue;
    for (const auto& callee : node.called) absorb_broadcasts(*callee, unit);
    if (node.kind != NodeKind::kElementwise) continue;
    auto& params = std::get<program::ElementwiseParams>(node.params);
    for (std::size_t i = 0; i < node.operands.size(); ++i) {
      const Node& operand = graph.node(node.operands[i]);
      if (!params.accesses[i].full() || operand.kind != NodeKind::kInstruction ||
          operand.opcode != Opcode::kBroadcast) {
        continue;
      }
      if (const auto access = broadcast_access(operand, graph.shape(operand.operands[0]))) {
        params.accesses[i] = *access;
        node.operands[i] = operand.operands[0];
      }
    }
    find_relu(graph, node, params);
  }
}

}  // namespace ganglion::compiler
