#include "compiler/passes.h"

namespace ganglion::compiler {
namespace {

using hlo::Opcode;

bool all_ranks_meet(const Node& node) { return node.origin->replica_groups.size() <= 1; }

bool differs_by_itself(const Graph& graph);

bool is_collective(const Node& node) {
  return node.kind == NodeKind::kAllReduce ||
         (node.kind == NodeKind::kInstruction && node.opcode == Opcode::kAllGather);
}

bool callees_differ(const Node& node) {
  for (const auto& callee : node.called) {
    if (differs_by_itself(*callee)) return true;
  }
  return false;
}

// Whether a computation gives different ranks different results for equal arguments.
bool differs_by_itself(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (node.dead) continue;
    if (node.opcode == Opcode::kReplicaId || is_collective(node) || callees_differ(node)) return true;
  }
  return false;
}

bool parameter_replicated(const Node& node, const Graph& graph, const Unit& unit) {
  if (!graph.entry) return false;
  switch (node.origin->role) {
    case hlo::ParameterRole::kInput:
      return !unit.inputs_per_rank;
    case hlo::ParameterRole::kWeight:
      return !node.origin->sharded;
    case hlo::ParameterRole::kState:
      return false;
  }
  return false;
}

}  // namespace

void mark_replicated(Graph& graph, const Unit& unit) {
  for (Node& node : graph.nodes) {
    if (node.dead) continue;
    for (const auto& callee : node.called) mark_replicated(*callee, unit);
    if (unit.ranks == 1 && graph.entry) {
      node.replicated = true;
      continue;
    }
    if (node.opcode == Opcode::kParameter) {
      node.replicated = parameter_replicated(node, graph, unit);
      continue;
    }
    // A computation runs for one rank at a time, or for all of them in step: what it holds is each rank's own.
    node.replicated = graph.entry && node.opcode != Opcode::kReplicaId && !callees_differ(node);
    if (is_collective(node) && graph.entry) {
      node.replicated = all_ranks_meet(node);
      for (std::size_t i = 1; i < node.operands.size(); ++i) {
        node.replicated = node.replicated && graph.node(node.operands[i]).replicated;
      }
      continue;
    }
    for (const Value operand : node.operands) node.replicated = node.replicated && graph.node(operand).replicated;
  }
}

}  // namespace ganglion::compiler
