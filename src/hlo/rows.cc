#include "hlo/rows.h"

#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "hlo/shape_inference.h"

namespace ganglion::hlo {
namespace {

using Sizes = std::unordered_map<const Instruction*, std::int64_t>;

// Row by row operations: all bounded operands share the result's rows. Gather takes its rows from its indices; of a
// call the operands count that its computation passes on to its root.
class RowOperands {
 public:
  bool reach_result(const Instruction& user, std::size_t operand) {
    if (user.opcode == Opcode::kGather) return operand == 1;
    if (user.opcode == Opcode::kCall && user.called.size() == 1) return of_callee(*user.called[0])[operand];
    return true;
  }

 private:
  // By parameter: whether its rows are the root's. Calls nest no deeper than the verifier lets them.
  const std::vector<bool>& of_callee(const Computation& callee) {
    const auto known = callees_.find(&callee);
    if (known != callees_.end()) return known->second;
    std::unordered_set<const Instruction*> counts = {callee.root};
    for (auto at = callee.instructions.rbegin(); at != callee.instructions.rend(); ++at) {
      const Instruction& user = **at;
      if (!counts.contains(&user)) continue;
      for (std::size_t i = 0; i < user.operands.size(); ++i) {
        if (user.operands[i]->shape.bounded && reach_result(user, i)) counts.insert(user.operands[i]);
      }
    }
    std::vector<bool> reached;
    for (const Instruction* parameter : callee.parameters()) reached.push_back(counts.contains(parameter));
    return callees_.emplace(&callee, std::move(reached)).first->second;
  }

  std::unordered_map<const Computation*, std::vector<bool>> callees_;
};

void settle(Sizes& sizes, const Instruction& value, std::int64_t size, const Instruction& cause) {
  const auto [at, is_new] = sizes.emplace(&value, size);
  if (!is_new && at->second != size) {
    fail(Code::kInvalidArgument, "{}: {}: rows counted by parameter {} meet rows counted by parameter {}", where(cause),
         describe(cause), size, at->second);
  }
}

}  // namespace

std::unordered_map<const Instruction*, std::int64_t> row_sizes(const Module& module) {
  Sizes sizes;
  RowOperands rows;
  const auto parameters = module.entry->parameters();
  for (const RowBinding& binding : module.row_bindings) {
    sizes.emplace(parameters[static_cast<std::size_t>(binding.parameter)], binding.size);
  }
  // Forwards: a result has the rows of its bounded operands.
  for (const auto& instruction : module.entry->instructions) {
    for (std::size_t i = 0; i < instruction->operands.size(); ++i) {
      const Instruction* operand = instruction->operands[i];
      const auto known = sizes.find(operand);
      if (known == sizes.end() || !instruction->shape.bounded) continue;
      if (rows.reach_result(*instruction, i)) settle(sizes, *instruction, known->second, *instruction);
    }
  }
  // Backwards: an iota or a broadcast has the rows of its users.
  for (auto at = module.entry->instructions.rbegin(); at != module.entry->instructions.rend(); ++at) {
    const Instruction& user = **at;
    const auto known = sizes.find(&user);
    if (known == sizes.end()) continue;
    for (std::size_t i = 0; i < user.operands.size(); ++i) {
      if (user.operands[i]->shape.bounded && rows.reach_result(user, i)) {
        settle(sizes, *user.operands[i], known->second, user);
      }
    }
  }
  for (const auto& instruction : module.entry->instructions) {
    if (instruction->shape.bounded && !sizes.contains(instruction.get())) {
      fail(Code::kInvalidArgument, "{}: {}: its rows are bounded, but nothing says how many there are",
           where(*instruction), describe(*instruction));
    }
  }
  return sizes;
}

}  // namespace ganglion::hlo
