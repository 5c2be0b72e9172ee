#include "hlo/rows.h"

#include <vector>

#include "base/error.h"
#include "hlo/shape_inference.h"

namespace ganglion::hlo {
namespace {

void collect(const Shape& shape, std::vector<const Shape*>& out) {
  if (!shape.is_tuple) {
    out.push_back(&shape);
    return;
  }
  for (const Shape& element : shape.elements) collect(element, out);
}

std::size_t leaf_count(const Shape& shape) {
  if (!shape.is_tuple) return 1;
  std::size_t count = 0;
  for (const Shape& element : shape.elements) count += leaf_count(element);
  return count;
}

void join(std::vector<int>& parent, int a, int b) {
  if (a < 0 || b < 0) return;
  const auto root = [&](int node) {
    while (parent[static_cast<std::size_t>(node)] != node) {
      int& up = parent[static_cast<std::size_t>(node)];
      up = parent[static_cast<std::size_t>(up)];  // halves the path
      node = up;
    }
    return node;
  };
  const int first = root(a);
  const int second = root(b);
  // The older node stays the root, so classes do not depend on the order of the joins.
  if (first < second) {
    parent[static_cast<std::size_t>(second)] = first;
  } else {
    parent[static_cast<std::size_t>(first)] = second;
  }
}

void join_all(std::vector<int>& parent, const std::vector<int>& a, const std::vector<int>& b) {
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) join(parent, a[i], b[i]);
}

std::vector<const Shape*> leaves(const Shape& shape) {
  std::vector<const Shape*> out;
  collect(shape, out);
  return out;
}

// Classes of values with equally many rows, within one computation: union-find over nodes, one node for every array
// with bounded rows in an instruction's shape (tuples flattened in order), kExact for every other array.
constexpr int kExact = -1;
struct Summary {
  std::vector<int> parent;
  std::unordered_map<const Instruction*, std::vector<int>> nodes;
  std::vector<int> parameter_nodes;  // of all parameters, in order

  int find(int node) const {
    while (parent[static_cast<std::size_t>(node)] != node) node = parent[static_cast<std::size_t>(node)];
    return node;
  }
};

// Summarizes every computation once, callees before callers, so the work is linear however often a computation is
// called.
class RowAnalysis {
 public:
  explicit RowAnalysis(const Module& module) {
    for (const auto& computation : module.computations) summaries_.emplace(computation.get(), summarize(*computation));
  }
  const Summary& of(const Computation& computation) const { return summaries_.at(&computation); }

 private:
  Summary summarize(const Computation& computation) const;
  void link(Summary& summary, const Instruction& instruction) const;
  // Joins what the callee's summary says is joined, between its parameters and root here.
  void link_callee(Summary& summary, const Computation& callee, const std::vector<int>& arguments,
                   const std::vector<int>& results) const;

  std::unordered_map<const Computation*, Summary> summaries_;
};

void RowAnalysis::link_callee(Summary& summary, const Computation& callee, const std::vector<int>& arguments,
                              const std::vector<int>& results) const {
  const Summary& inner = summaries_.at(&callee);
  std::unordered_map<int, int> outer_of;  // class in the callee -> a node here
  const auto meet = [&](int inner_node, int outer_node) {
    if (inner_node < 0 || outer_node < 0) return;
    const auto [entry, fresh] = outer_of.try_emplace(inner.find(inner_node), outer_node);
    if (!fresh) join(summary.parent, entry->second, outer_node);
  };
  const std::vector<int>& root = inner.nodes.at(callee.root);
  for (std::size_t i = 0; i < arguments.size() && i < inner.parameter_nodes.size(); ++i)
    meet(inner.parameter_nodes[i], arguments[i]);
  for (std::size_t i = 0; i < results.size() && i < root.size(); ++i) meet(root[i], results[i]);
}

void RowAnalysis::link(Summary& summary, const Instruction& instruction) const {
  const std::vector<int>& own = summary.nodes.at(&instruction);
  const auto operand = [&](std::size_t k) -> const std::vector<int>& {
    return summary.nodes.at(instruction.operands[k]);
  };
  switch (instruction.opcode) {
    case Opcode::kTuple: {
      std::size_t at = 0;
      for (std::size_t k = 0; k < instruction.operands.size(); ++k) {
        for (const int node : operand(k)) join(summary.parent, node, own[at++]);
      }
      return;
    }
    case Opcode::kGetTupleElement: {
      bool exact = true;
      for (const int node : own) exact = exact && node == kExact;
      if (exact) return;
      std::size_t at = 0;
      const Shape& tuple = instruction.operands[0]->shape;
      for (std::int64_t k = 0; k < instruction.tuple_index; ++k)
        at += leaf_count(tuple.elements[static_cast<std::size_t>(k)]);
      for (std::size_t k = 0; k < own.size(); ++k) join(summary.parent, own[k], operand(0)[at + k]);
      return;
    }
    case Opcode::kGather:  // rows of the result are the indices'; those of the operand are only read
      join_all(summary.parent, own, operand(1));
      return;
    case Opcode::kScatter:
      join_all(summary.parent, operand(1), operand(2));
      return;
    case Opcode::kSort:
      for (std::size_t k = 0; k < instruction.operands.size(); ++k) join(summary.parent, own[k], operand(k)[0]);
      for (std::size_t k = 1; k < own.size(); ++k) join(summary.parent, own[k], own[0]);
      return;
    case Opcode::kCall: {
      std::vector<int> arguments;
      for (std::size_t k = 0; k < instruction.operands.size(); ++k) {
        arguments.insert(arguments.end(), operand(k).begin(), operand(k).end());
      }
      link_callee(summary, *instruction.called[0], arguments, own);
      return;
    }
    case Opcode::kWhile:
      join_all(summary.parent, operand(0), own);
      link_callee(summary, *instruction.called[0], own, {});
      link_callee(summary, *instruction.called[1], own, own);
      return;
    default:
      // Everything else goes row by row: whatever is bounded has the rows of the result.
      if (instruction.shape.is_tuple) return;
      for (std::size_t k = 0; k < instruction.operands.size(); ++k) {
        if (instruction.operands[k]->shape.is_tuple) continue;
        join(summary.parent, own[0], operand(k)[0]);
      }
  }
}

Summary RowAnalysis::summarize(const Computation& computation) const {
  Summary summary;
  for (const auto& instruction : computation.instructions) {
    std::vector<int>& nodes = summary.nodes[instruction.get()];
    for (const Shape* leaf : leaves(instruction->shape)) {
      nodes.push_back(leaf->bounded ? static_cast<int>(summary.parent.size()) : kExact);
      if (leaf->bounded) summary.parent.push_back(nodes.back());
    }
    link(summary, *instruction);
  }
  for (const Instruction* parameter : computation.parameters()) {
    const std::vector<int>& nodes = summary.nodes.at(parameter);
    summary.parameter_nodes.insert(summary.parameter_nodes.end(), nodes.begin(), nodes.end());
  }
  return summary;
}

}  // namespace

std::unordered_map<const Instruction*, std::int64_t> row_sizes(const Module& module) {
  const RowAnalysis analysis(module);
  const Summary& summary = analysis.of(*module.entry);
  const std::vector<Instruction*> parameters = module.entry->parameters();
  std::unordered_map<int, std::int64_t> size_of_class;
  std::unordered_map<const Instruction*, std::int64_t> sizes;
  for (const RowBinding& binding : module.row_bindings) {
    const Instruction& parameter = *parameters.at(static_cast<std::size_t>(binding.parameter));
    const int node = summary.nodes.at(&parameter).at(0);
    if (node == kExact) continue;
    const auto [entry, fresh] = size_of_class.try_emplace(summary.find(node), binding.size);
    if (!fresh && entry->second != binding.size) {
      fail(Code::kInvalidArgument,
           "{}: its rows, counted by parameter {} ({}), meet rows counted by parameter {} ({}); values that meet must "
           "be bound to one size",
           where(parameter), binding.size, parameters.at(static_cast<std::size_t>(binding.size))->name, entry->second,
           parameters.at(static_cast<std::size_t>(entry->second))->name);
    }
  }
  for (const auto& instruction : module.entry->instructions) {
    for (const int node : summary.nodes.at(instruction.get())) {
      if (node == kExact) continue;
      const auto found = size_of_class.find(summary.find(node));
      if (found == size_of_class.end()) {
        fail(Code::kInvalidArgument, "{}: {} has bounded rows, but no parameter says how many", where(*instruction),
             instruction->shape.text());
      }
      if (!instruction->shape.is_tuple) sizes.emplace(instruction.get(), found->second);
    }
  }
  return sizes;
}

}  // namespace ganglion::hlo
