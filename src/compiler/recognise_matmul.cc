#include "compiler/passes.h"

namespace ganglion::compiler {
namespace {

using hlo::Opcode;

bool is_storage(DType dtype) { return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16; }

// The weight parameter behind a value, through one convert to f32.
Value weight_behind(const Graph& graph, Value value) {
  const Node* node = &graph.node(value);
  if (node->kind == NodeKind::kElementwise && node->operands.size() == 1) {
    const auto& params = std::get<program::ElementwiseParams>(node->params);
    if (params.instructions.size() == 1 && params.instructions[0].op == program::ElementOp::kConvert &&
        params.instructions[0].to == DType::kF32 && is_storage(params.instructions[0].from)) {
      value = node->operands[0];
      node = &graph.node(value);
    }
  }
  const bool weight = node->kind == NodeKind::kInstruction && node->opcode == Opcode::kParameter &&
                      node->origin->role == hlo::ParameterRole::kWeight && is_storage(node->shape().dtype);
  return weight ? value : Value{};
}

void recognise(const Graph& graph, Node& node) {
  const hlo::DotDims& dims = node.origin->dot;
  const hlo::Shape& x = graph.shape(node.operands[0]);
  const hlo::Shape& w = graph.shape(node.operands[1]);
  if (x.dtype != DType::kF32 || x.rank() != 2 || w.dtype != DType::kF32 || w.rank() != 2 ||
      node.shape().dtype != DType::kF32 || !dims.lhs_batch.empty() || dims.lhs_contracting != Dims{1} ||
      dims.rhs_contracting.size() != 1 || x.dims[1] == 0 || w.dims[0] == 0 || w.dims[1] == 0) {
    return;
  }
  const Value weight = weight_behind(graph, node.operands[1]);
  if (weight.node < 0) return;
  program::MatmulParams params;
  params.k = x.dims[1];
  params.n = node.shape().dims[1];
  params.storage = graph.shape(weight).dtype;
  node.kind = NodeKind::kMatmul;
  node.transposed_weight = dims.rhs_contracting[0] == 0;
  node.operands[1] = weight;
  node.params = params;
}

}  // namespace

void recognise_matmul(Graph& graph, const Unit&) {
  if (!graph.entry) return;
  for (Node& node : graph.nodes) {
    if (!node.dead && node.kind == NodeKind::kInstruction && node.opcode == Opcode::kDot) recognise(graph, node);
  }
}

}  // namespace ganglion::compiler
