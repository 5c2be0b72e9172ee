// What the passes work on: the module as one flat list of nodes, calls inlined and tuples taken apart. Operands come
// before their users; a pass that fuses writes the fused node where the last of its parts was.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hlo/module.h"
#include "program/program.h"

namespace ganglion::compiler {

// Result `result` of node `node` of a graph.
struct Value {
  std::int32_t node = -1;
  std::int32_t result = 0;
  bool operator==(const Value&) const = default;
};

enum class NodeKind : std::uint8_t {
  kInstruction,  // as the opcode of `origin` says
  kElementwise,  // params: ElementwiseParams
  kMatmul,       // MatmulParams; operands {x, weight parameter, scales?, bias?, residual?}
  kLayerNorm,
  kRmsNorm,
  kRotary,
  kEmbedding,
  kKvWrite,  // operands {cache, rows, slots}
  kAttention,
  kAllReduce,  // AllReduceParams; operands {x, bias?, residual?}
};

struct Graph;

struct NodeResult {
  hlo::Shape shape;
  std::int32_t rows = program::kAllRows;  // index of the size that counts the real rows
};

struct Node {
  NodeKind kind = NodeKind::kInstruction;
  hlo::Opcode opcode = hlo::Opcode::kParameter;
  const hlo::Instruction* origin = nullptr;  // attributes, name and place; owned by the module
  std::vector<Value> operands;
  std::vector<NodeResult> results;
  std::shared_ptr<const Tensor> literal;  // of a constant
  program::Params params;
  program::Combine combine = program::Combine::kAdd;  // reduce, scatter, all-reduce
  bool overwrite = false;                             // scatter whose computation returns the update
  bool transposed_weight = false;                     // matmul whose weight parameter is [k, n]
  bool replicated = true;                             // equal on all ranks
  bool dead = false;
  std::vector<std::shared_ptr<Graph>> called;  // computations that stay computations

  const hlo::Shape& shape() const { return results[0].shape; }
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;
  std::vector<Value> outputs;     // flattened root
  std::vector<Value> parameters;  // of the entry: by parameter number; of a callee: flattened
  bool entry = false;

  const Node& node(Value value) const { return nodes[static_cast<std::size_t>(value.node)]; }
  Node& node(Value value) { return nodes[static_cast<std::size_t>(value.node)]; }
  const NodeResult& result(Value value) const { return node(value).results[static_cast<std::size_t>(value.result)]; }
  const hlo::Shape& shape(Value value) const { return result(value).shape; }

  // How many operands and outputs name each node's results, by node.
  std::vector<std::int32_t> use_counts() const;
};

// What holds for the whole compilation.
struct Unit {
  const hlo::Module* module = nullptr;
  int ranks = 1;
  bool inputs_per_rank = false;  // the lists of inputs may differ between ranks
  std::vector<program::SizeSlot> sizes;
  std::vector<std::int64_t> size_parameters;  // entry parameter of each size
};

// Marks for one rewrite: replace values, then apply() once, in time linear in the graph.
class Replacements {
 public:
  explicit Replacements(const Graph& graph) : base_(graph.nodes.size()) {}
  // From now on `old_node`'s only result is `value`, which must come earlier in the graph.
  void set(std::int32_t old_node, Value value) { base_[static_cast<std::size_t>(old_node)] = resolve(value); }
  Value resolve(Value value) const {
    const Value to = base_[static_cast<std::size_t>(value.node)];
    return to.node < 0 ? value : to;
  }
  void apply(Graph& graph) const;

 private:
  std::vector<Value> base_;
};

}  // namespace ganglion::compiler
