#include "compiler/passes.h"

namespace ganglion::compiler {
namespace {

using hlo::Opcode;
using program::kAllRows;

bool has_rows(const NodeResult& result) { return result.shape.bounded && result.rows != kAllRows; }

// A gather has the rows of its indices when these are bounded.
std::int32_t rows_of_operands(const Graph& graph, const Node& node) {
  const bool by_indices = node.opcode == Opcode::kGather || node.kind == NodeKind::kEmbedding;
  if (by_indices && node.operands.size() > 1 && has_rows(graph.result(node.operands[1]))) {
    return graph.result(node.operands[1]).rows;
  }
  for (const Value operand : node.operands) {
    if (has_rows(graph.result(operand))) return graph.result(operand).rows;
  }
  return kAllRows;
}

void infer_callees(Graph& graph, Node& node, const Unit& unit) {
  for (const auto& callee : node.called) {
    if (node.opcode == Opcode::kWhile) {
      for (std::size_t i = 0; i < callee->parameters.size() && i < node.operands.size(); ++i) {
        NodeResult& parameter = callee->node(callee->parameters[i]).results[0];
        if (parameter.shape.bounded) parameter.rows = graph.result(node.operands[i]).rows;
      }
    }
    infer_rows(*callee, unit);
  }
}

}  // namespace

void infer_rows(Graph& graph, const Unit& unit) {
  for (Node& node : graph.nodes) {
    if (node.opcode == Opcode::kWhile) {
      for (std::size_t i = 0; i < node.results.size(); ++i) {
        if (node.results[i].shape.bounded) node.results[i].rows = graph.result(node.operands[i]).rows;
      }
    } else if (node.opcode != Opcode::kParameter) {
      const std::int32_t rows = rows_of_operands(graph, node);
      for (NodeResult& result : node.results) {
        if (result.shape.bounded) result.rows = rows;
      }
    }
  }
  // What has no bounded operand (a broadcast scalar, an iota) takes the rows of what it is combined with.
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    if (node.kind != NodeKind::kElementwise && node.opcode != Opcode::kBroadcast) continue;
    if (!has_rows(node.results[0])) continue;
    for (const Value operand : node.operands) {
      NodeResult& result = graph.node(operand).results[static_cast<std::size_t>(operand.result)];
      if (result.shape.bounded && result.rows == kAllRows && result.shape.dims[0] == node.shape().dims[0]) {
        result.rows = node.results[0].rows;
      }
    }
  }
  for (Node& node : graph.nodes) {
    for (NodeResult& result : node.results) {
      if (!result.shape.bounded || result.rows != kAllRows || unit.sizes.size() != 1) continue;
      if (unit.sizes[0].bound == result.shape.dims[0]) result.rows = 0;
    }
    infer_callees(graph, node, unit);
  }
}

}  // namespace ganglion::compiler
