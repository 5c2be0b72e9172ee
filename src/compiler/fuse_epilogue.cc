#include <optional>

#include "compiler/passes.h"

namespace ganglion::compiler {
namespace {

using program::Activation;
using program::ElementOp;

std::optional<Activation> activation_of(ElementOp op) {
  switch (op) {
    case ElementOp::kRelu:
      return Activation::kRelu;
    case ElementOp::kGeluErf:
      return Activation::kGeluErf;
    case ElementOp::kGeluTanh:
      return Activation::kGeluTanh;
    case ElementOp::kSilu:
      return Activation::kSilu;
    default:
      return std::nullopt;
  }
}

class Fuser {
 public:
  explicit Fuser(Graph& graph) : graph_(graph), uses_(graph.use_counts()) {}

  void run() {
    for (Node& node : graph_.nodes) {
      if (node.dead || node.kind != NodeKind::kElementwise || node.shape().dtype != DType::kF32) continue;
      const auto& params = std::get<program::ElementwiseParams>(node.params);
      if (params.instructions.size() != 1 || params.instructions[0].from != DType::kF32) continue;
      const ElementOp op = params.instructions[0].op;
      if (const auto activation = activation_of(op)) {
        fuse_activation(node, *activation);
      } else if (op == ElementOp::kAdd && node.operands.size() == 2) {
        if (!fuse_add(node, params.accesses, 1)) fuse_add(node, params.accesses, 0);
      }
    }
  }

 private:
  // The matmul or all-reduce that makes `value` for this one user, or null.
  Node* producer(Value value) {
    Node& node = graph_.node(value);
    const bool fits = node.kind == NodeKind::kMatmul || node.kind == NodeKind::kAllReduce;
    return fits && !node.dead && uses_[static_cast<std::size_t>(value.node)] == 1 ? &node : nullptr;
  }

  // The user becomes the producer, where the user was.
  static void take_over(Node& user, Node& from, std::optional<Value> extra) {
    const NodeResult result = user.results[0];
    const hlo::Instruction* origin = user.origin;
    user.kind = from.kind;
    user.origin = from.kind == NodeKind::kAllReduce ? from.origin : origin;
    user.opcode = from.opcode;
    user.operands = from.operands;
    user.params = from.params;
    user.combine = from.combine;
    user.called = from.called;
    user.transposed_weight = from.transposed_weight;
    user.results = {result};
    if (extra) user.operands.push_back(*extra);
    from.dead = true;
  }

  void fuse_activation(Node& node, Activation activation) {
    Node* from = producer(node.operands[0]);
    if (from == nullptr || from->kind != NodeKind::kMatmul || from->shape().dims != node.shape().dims) return;
    const auto params = std::get<program::MatmulParams>(from->params);
    if (params.activation != Activation::kNone || params.has_residual) return;
    take_over(node, *from, std::nullopt);
    std::get<program::MatmulParams>(node.params).activation = activation;
  }

  bool fuse_add(Node& node, std::vector<program::Access> accesses, std::size_t sum) {
    const std::size_t other = 1 - sum;
    if (!accesses[sum].full()) return false;
    Node* from = producer(node.operands[sum]);
    if (from == nullptr || from->shape().dims != node.shape().dims || from->shape().dims.empty()) return false;
    const Value extra = node.operands[other];
    if (graph_.shape(extra).dtype != DType::kF32) return false;
    const std::int64_t cols = node.shape().dims.back();
    const bool bias = accesses[other].divisor == 1 && accesses[other].period == cols && cols > 0 &&
                      graph_.shape(extra).dims == Dims{cols};
    const bool residual = accesses[other].full() && graph_.shape(extra).dims == node.shape().dims;
    if (!bias && !residual) return false;
    return from->kind == NodeKind::kMatmul ? into_matmul(node, *from, extra, bias)
                                           : into_all_reduce(node, *from, extra, bias, cols);
  }

  static bool into_matmul(Node& node, Node& from, Value extra, bool bias) {
    const auto params = std::get<program::MatmulParams>(from.params);
    if (params.has_residual) return false;
    if (bias && (params.has_bias || params.activation != Activation::kNone)) return false;
    take_over(node, from, extra);
    auto& fused = std::get<program::MatmulParams>(node.params);
    (bias ? fused.has_bias : fused.has_residual) = true;
    return true;
  }

  static bool into_all_reduce(Node& node, Node& from, Value extra, bool bias, std::int64_t cols) {
    const auto& params = std::get<program::AllReduceParams>(from.params);
    if (from.shape().dtype != DType::kF32 || params.has_residual || (bias && params.has_bias)) return false;
    take_over(node, from, extra);
    auto& fused = std::get<program::AllReduceParams>(node.params);
    (bias ? fused.has_bias : fused.has_residual) = true;
    fused.cols = cols;
    return true;
  }

  Graph& graph_;
  std::vector<std::int32_t> uses_;
};

}  // namespace

void fuse_epilogue(Graph& graph, const Unit&) {
  if (graph.entry) Fuser(graph).run();
}

}  // namespace ganglion::compiler
