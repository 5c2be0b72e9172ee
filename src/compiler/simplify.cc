#include <algorithm>

#include "base/error.h"
#include "compiler/passes.h"

namespace ganglion::compiler {
namespace {

using hlo::Opcode;

bool counts_up(const Dims& dims) {
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] != static_cast<std::int64_t>(i)) return false;
  }
  return true;
}

// The number of ranks that meet in a collective; all groups must be of one size and hold every rank once.
std::int64_t group_size(const Node& node, int ranks) {
  const auto& groups = node.origin->replica_groups;
  if (groups.empty()) return ranks;
  std::vector<bool> seen(static_cast<std::size_t>(ranks), false);
  for (const auto& group : groups) {
    for (const std::int64_t rank : group) {
      if (rank < 0 || rank >= ranks || seen[static_cast<std::size_t>(rank)] || group.size() != groups[0].size()) {
        fail(Code::kInvalidArgument,
             "{} {}: replica_groups do not split {} ranks in equal groups (rank {}); compile "
             "with the number of ranks the module was written for",
             node.origin->place, node.origin->name, ranks, rank);
      }
      seen[static_cast<std::size_t>(rank)] = true;
    }
  }
  if (!std::all_of(seen.begin(), seen.end(), [](bool s) { return s; })) {
    fail(Code::kInvalidArgument, "{} {}: replica_groups do not hold all of {} ranks", node.origin->place,
         node.origin->name, ranks);
  }
  return static_cast<std::int64_t>(groups[0].size());
}

void check_all_gather(const Graph& graph, const Node& node, std::int64_t size) {
  const auto dimension = static_cast<std::size_t>(node.origin->dimensions[0]);
  const std::int64_t part = graph.shape(node.operands[0]).dims[dimension];
  const std::int64_t whole = node.shape().dims[dimension];
  if (part * size != whole) {
    fail(Code::kInvalidArgument,
         "{} {}: all-gather of {} to {} elements is written for {} ranks, the module is "
         "compiled for groups of {}",
         node.origin->place, node.origin->name, part, whole, part == 0 ? 0 : whole / part, size);
  }
}

// The operand stands for the node.
bool is_identity(const Graph& graph, const Node& node, const Unit& unit) {
  if (node.operands.empty() || node.results.size() != 1) return false;
  const hlo::Shape& from = graph.shape(node.operands[0]);
  const bool same = from == node.shape();
  if (node.kind == NodeKind::kAllReduce) return group_size(node, unit.ranks) == 1;
  if (node.kind == NodeKind::kElementwise) {
    const auto& params = std::get<program::ElementwiseParams>(node.params);
    return same && params.instructions.size() == 1 && params.instructions[0].op == program::ElementOp::kConvert;
  }
  if (node.kind != NodeKind::kInstruction) return false;
  switch (node.opcode) {
    case Opcode::kReshape:
    case Opcode::kBitcastConvert:
      return same;
    case Opcode::kBroadcast:
    case Opcode::kTranspose:
      return same && counts_up(node.origin->dimensions);
    case Opcode::kConcatenate:
      return same && node.operands.size() == 1;
    case Opcode::kAllGather: {
      const std::int64_t size = group_size(node, unit.ranks);
      check_all_gather(graph, node, size);
      return size == 1;
    }
    default:
      return false;
  }
}

}  // namespace

void simplify(Graph& graph, const Unit& unit) {
  Replacements replacements(graph);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& node = graph.nodes[i];
    if (node.dead) continue;
    for (const auto& callee : node.called) simplify(*callee, unit);
    if (is_identity(graph, node, unit)) {
      replacements.set(static_cast<std::int32_t>(i), node.operands[0]);
      node.dead = true;
      continue;
    }
    if (node.opcode == Opcode::kReplicaId && node.kind == NodeKind::kInstruction && unit.ranks == 1) {
      node.opcode = Opcode::kConstant;
      node.literal = std::make_shared<const Tensor>(DType::kU32, Dims{});
    }
  }
  replacements.apply(graph);
}

}  // namespace ganglion::compiler
