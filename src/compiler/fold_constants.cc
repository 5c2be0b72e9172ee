#include "base/error.h"
#include "compiler/passes.h"
#include "reference/evaluate.h"

namespace ganglion::compiler {
namespace {

using hlo::Opcode;

constexpr std::int64_t kLargest = 4096;  // elements: a folded constant lies in the program

bool is_constant(const Graph& graph, Value value) {
  const Node& node = graph.node(value);
  return node.kind == NodeKind::kInstruction && node.opcode == Opcode::kConstant && node.literal != nullptr;
}

// A broadcast stays: what reads it reads the scalar instead.
bool can_fold(const Graph& graph, const Node& node) {
  if (node.operands.empty() || node.results.size() != 1 || !node.called.empty()) return false;
  if (node.kind != NodeKind::kInstruction && node.kind != NodeKind::kElementwise) return false;
  if (node.opcode == Opcode::kBroadcast || node.opcode == Opcode::kReduce || node.opcode == Opcode::kScatter ||
      node.opcode == Opcode::kAllGather || node.opcode == Opcode::kCall) {
    return false;
  }
  if (node.shape().bounded || element_count(node.shape().dims) > kLargest) return false;
  for (const Value operand : node.operands) {
    if (!is_constant(graph, operand)) return false;
  }
  return true;
}

// The one instruction with its constants as a module of its own, for the evaluator.
Tensor evaluate(const Graph& graph, const Node& node) {
  hlo::Module module;
  module.name = "fold";
  hlo::Computation* entry = module.add_computation("entry");
  module.entry = entry;
  auto result = std::make_unique<hlo::Instruction>(*node.origin);
  result->operands.clear();
  for (std::size_t i = 0; i < node.operands.size(); ++i) {
    auto constant = std::make_unique<hlo::Instruction>();
    constant->opcode = Opcode::kConstant;
    constant->name = "operand." + std::to_string(i);
    constant->shape = graph.shape(node.operands[i]);
    constant->literal = graph.node(node.operands[i]).literal;
    result->operands.push_back(constant.get());
    entry->instructions.push_back(std::move(constant));
  }
  entry->root = result.get();
  entry->instructions.push_back(std::move(result));
  return std::move(reference::evaluate(module, {}).at(0));
}

}  // namespace

void fold_constants(Graph& graph, const Unit& unit) {
  for (Node& node : graph.nodes) {
    if (node.dead) continue;
    for (const auto& callee : node.called) fold_constants(*callee, unit);
    if (!can_fold(graph, node)) continue;
    node.literal = std::make_shared<const Tensor>(evaluate(graph, node));
    node.kind = NodeKind::kInstruction;
    node.opcode = Opcode::kConstant;
    node.operands.clear();
    node.params = {};
  }
}

}  // namespace ganglion::compiler
