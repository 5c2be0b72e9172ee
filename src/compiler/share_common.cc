#include <cstring>
#include <unordered_map>

#include "compiler/passes.h"

namespace ganglion::compiler {
namespace {

using hlo::Opcode;

constexpr std::size_t kLargestLiteral = 256;  // bytes compared; larger constants are shared only when they are one

// Equal operands give equal results, and nothing else happens.
bool is_pure(const Node& node) {
  if (node.results.size() != 1 || !node.called.empty()) return false;
  if (node.kind == NodeKind::kElementwise || node.kind == NodeKind::kLayerNorm || node.kind == NodeKind::kRmsNorm) {
    return true;
  }
  if (node.kind != NodeKind::kInstruction) return false;
  switch (node.opcode) {
    case Opcode::kConstant:
    case Opcode::kIota:
    case Opcode::kBroadcast:
    case Opcode::kReshape:
    case Opcode::kTranspose:
    case Opcode::kBitcastConvert:
    case Opcode::kConcatenate:
    case Opcode::kSlice:
    case Opcode::kReverse:
    case Opcode::kReplicaId:
      return true;
    default:
      return false;
  }
}

std::size_t mix(std::size_t seed, std::size_t value) { return (seed ^ value) * 0x9e3779b97f4a7c15u + (seed >> 29); }

std::size_t hash(const Node& node) {
  std::size_t seed = mix(static_cast<std::size_t>(node.kind), static_cast<std::size_t>(node.opcode));
  for (const Value operand : node.operands) {
    seed = mix(seed, static_cast<std::size_t>(operand.node) * 8 + static_cast<std::size_t>(operand.result));
  }
  for (const std::int64_t dim : node.shape().dims) seed = mix(seed, static_cast<std::size_t>(dim));
  return mix(seed, static_cast<std::size_t>(node.shape().dtype));
}

bool same_literal(const Node& a, const Node& b) {
  if (a.literal == b.literal) return true;
  if (!a.literal || !b.literal || a.literal->bytes() > kLargestLiteral) return false;
  return a.literal->dtype() == b.literal->dtype() && a.literal->dims() == b.literal->dims() &&
         std::memcmp(a.literal->data(), b.literal->data(), a.literal->bytes()) == 0;
}

bool same(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.opcode != b.opcode || a.operands != b.operands || a.shape() != b.shape() ||
      a.results[0].rows != b.results[0].rows || !same_literal(a, b)) {
    return false;
  }
  if (a.opcode == Opcode::kConstant && a.kind == NodeKind::kInstruction) return true;
  if (a.kind == NodeKind::kElementwise) {
    const auto& x = std::get<program::ElementwiseParams>(a.params);
    const auto& y = std::get<program::ElementwiseParams>(b.params);
    return x.accesses == y.accesses && x.instructions == y.instructions;
  }
  if (a.kind == NodeKind::kLayerNorm) {
    return std::get<program::LayerNormParams>(a.params).epsilon == std::get<program::LayerNormParams>(b.params).epsilon;
  }
  if (a.kind == NodeKind::kRmsNorm) {
    return std::get<program::RmsNormParams>(a.params).epsilon == std::get<program::RmsNormParams>(b.params).epsilon;
  }
  return a.origin->dimensions == b.origin->dimensions && a.origin->starts == b.origin->starts &&
         a.origin->limits == b.origin->limits && a.origin->strides == b.origin->strides;
}

}  // namespace

void share_common(Graph& graph, const Unit& unit) {
  std::unordered_multimap<std::size_t, std::int32_t> seen;
  Replacements replacements(graph);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& node = graph.nodes[i];
    if (node.dead) continue;
    for (const auto& callee : node.called) share_common(*callee, unit);
    for (Value& operand : node.operands) operand = replacements.resolve(operand);
    if (!is_pure(node)) continue;
    const std::size_t key = hash(node);
    const auto [begin, end] = seen.equal_range(key);
    std::int32_t equal = -1;
    for (auto at = begin; at != end && equal < 0; ++at) {
      if (same(graph.nodes[static_cast<std::size_t>(at->second)], node)) equal = at->second;
    }
    if (equal < 0) {
      seen.emplace(key, static_cast<std::int32_t>(i));
    } else {
      replacements.set(static_cast<std::int32_t>(i), {equal, 0});
      node.dead = true;
    }
  }
  replacements.apply(graph);
}

}  // namespace ganglion::compiler
