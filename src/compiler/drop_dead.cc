#include "base/error.h"
#include "compiler/passes.h"

namespace ganglion::compiler {

void drop_dead(Graph& graph, const Unit& unit) {
  std::vector<bool> needed(graph.nodes.size(), false);
  for (const Value output : graph.outputs) needed[static_cast<std::size_t>(output.node)] = true;
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    Node& node = graph.nodes[i];
    if (node.opcode == hlo::Opcode::kParameter) continue;
    node.dead = !needed[i];
    if (node.dead) continue;
    for (const auto& callee : node.called) drop_dead(*callee, unit);
    for (const Value operand : node.operands) needed[static_cast<std::size_t>(operand.node)] = true;
  }
}

void check_graph(const Graph& graph, const char* after) {
  const auto holds = [&](Value value, std::size_t limit) {
    if (value.node < 0 || static_cast<std::size_t>(value.node) >= limit) return false;
    const Node& node = graph.node(value);
    return !node.dead && value.result >= 0 && static_cast<std::size_t>(value.result) < node.results.size();
  };
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (graph.nodes[i].dead) continue;
    for (const Value operand : graph.nodes[i].operands) {
      if (!holds(operand, i)) {
        fail(Code::kInternal, "[compiler] after {}: node {} of {} has an operand that is not before it", after, i,
             graph.name);
      }
    }
  }
  for (const Value output : graph.outputs) {
    if (!holds(output, graph.nodes.size())) {
      fail(Code::kInternal, "[compiler] after {}: an output of {} is gone", after, graph.name);
    }
  }
}

}  // namespace ganglion::compiler
