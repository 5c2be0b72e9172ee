#include "compiler/graph.h"

namespace ganglion::compiler {

std::vector<std::int32_t> Graph::use_counts() const {
  std::vector<std::int32_t> counts(nodes.size(), 0);
  for (const Node& node : nodes) {
    if (node.dead) continue;
    for (const Value operand : node.operands) ++counts[static_cast<std::size_t>(operand.node)];
  }
  for (const Value output : outputs) ++counts[static_cast<std::size_t>(output.node)];
  return counts;
}

void Replacements::apply(Graph& graph) const {
  for (Node& node : graph.nodes) {
    if (node.dead) continue;
    for (Value& operand : node.operands) operand = resolve(operand);
  }
  for (Value& output : graph.outputs) output = resolve(output);
}

}  // namespace ganglion::compiler
