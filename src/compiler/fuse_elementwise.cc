#include "compiler/passes.h"

namespace ganglion::compiler {
namespace {

constexpr std::size_t kMostOperands = 8;
constexpr std::size_t kMostInstructions = 24;

program::ElementwiseParams& params_of(Node& node) { return std::get<program::ElementwiseParams>(node.params); }

bool can_take(const Graph& graph, Node& node, std::size_t operand, const std::vector<std::int32_t>& uses) {
  const Value value = node.operands[operand];
  const Node& from = graph.node(value);
  if (from.kind != NodeKind::kElementwise || from.dead || uses[static_cast<std::size_t>(value.node)] != 1) return false;
  if (!params_of(node).accesses[operand].full() || from.shape().dims != node.shape().dims) return false;
  if (from.results[0].rows != node.results[0].rows || from.replicated != node.replicated) return false;
  const auto& inner = std::get<program::ElementwiseParams>(from.params);
  return node.operands.size() - 1 + from.operands.size() <= kMostOperands &&
         params_of(node).instructions.size() + inner.instructions.size() <= kMostInstructions;
}

// The node computes `from` itself. Registers: operands of both, then the operations of `from`, then the node's own.
void take(Node& node, std::size_t operand, Node& from) {
  program::ElementwiseParams& outer = params_of(node);
  const program::ElementwiseParams& inner = params_of(from);
  const auto outer_operands = static_cast<std::int16_t>(node.operands.size());
  const auto inner_operands = static_cast<std::int16_t>(from.operands.size());
  const auto operands = static_cast<std::int16_t>(outer_operands - 1 + inner_operands);
  const auto inner_count = static_cast<std::int16_t>(inner.instructions.size());
  const auto taken = static_cast<std::int16_t>(operand);
  std::vector<program::ElementInstruction> joined;
  for (program::ElementInstruction instruction : inner.instructions) {
    for (std::int16_t& argument : instruction.arguments) {
      argument = static_cast<std::int16_t>(argument < inner_operands ? argument + outer_operands - 1
                                                                     : argument - inner_operands + operands);
    }
    joined.push_back(instruction);
  }
  for (program::ElementInstruction instruction : outer.instructions) {
    for (std::int16_t& argument : instruction.arguments) {
      if (argument == taken) {
        argument = static_cast<std::int16_t>(operands + inner_count - 1);
      } else if (argument >= outer_operands) {
        argument = static_cast<std::int16_t>(argument - outer_operands + operands + inner_count);
      } else if (argument > taken) {
        --argument;
      }
    }
    joined.push_back(instruction);
  }
  node.operands.erase(node.operands.begin() + taken);
  outer.accesses.erase(outer.accesses.begin() + taken);
  node.operands.insert(node.operands.end(), from.operands.begin(), from.operands.end());
  outer.accesses.insert(outer.accesses.end(), inner.accesses.begin(), inner.accesses.end());
  outer.instructions = std::move(joined);
  from.dead = true;
}

}  // namespace

void fuse_elementwise(Graph& graph, const Unit& unit) {
  std::vector<std::int32_t> uses = graph.use_counts();
  for (Node& node : graph.nodes) {
    if (node.dead) continue;
    for (const auto& callee : node.called) fuse_elementwise(*callee, unit);
    if (node.kind != NodeKind::kElementwise) continue;
    for (std::size_t i = 0; i < node.operands.size();) {
      if (can_take(graph, node, i, uses)) {
        take(node, i, graph.node(node.operands[i]));
      } else {
        ++i;
      }
    }
  }
}

}  // namespace ganglion::compiler
