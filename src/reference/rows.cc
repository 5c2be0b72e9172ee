#include "reference/rows.h"

#include <numeric>
#include <vector>

namespace ganglion::reference {
namespace {

using hlo::Instruction;
using hlo::Opcode;

bool is_bounded(const Instruction* instruction) { return !instruction->shape.is_tuple && instruction->shape.bounded; }

class Unions {
 public:
  explicit Unions(std::size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), 0); }
  int find(int x) {
    while (parent_[static_cast<std::size_t>(x)] != x) x = parent_[static_cast<std::size_t>(x)];
    return x;
  }
  void join(int a, int b) { parent_[static_cast<std::size_t>(find(b))] = find(a); }

 private:
  std::vector<int> parent_;
};

// The operands whose rows are the instruction's rows.
std::vector<const Instruction*> row_sources(const Instruction& instruction) {
  const auto& operands = instruction.operands;
  switch (instruction.opcode) {
    case Opcode::kGather:
      return {operands[1]};
    case Opcode::kDot:
      if (!instruction.dot.lhs_batch.empty()) return {operands[0], operands[1]};
      return {is_bounded(operands[0]) ? operands[0] : operands[1]};
    case Opcode::kReshape:
    case Opcode::kTranspose:
    case Opcode::kSlice:
    case Opcode::kDynamicSlice:
    case Opcode::kPad:
    case Opcode::kReverse:
    case Opcode::kReduce:
    case Opcode::kDynamicUpdateSlice:
    case Opcode::kScatter:
    case Opcode::kBroadcast:
    case Opcode::kAllReduce:
    case Opcode::kAllGather:
      return {operands[0]};
    case Opcode::kWhile:
    case Opcode::kTuple:
    case Opcode::kGetTupleElement:
    case Opcode::kCustomCall:
      return {};
    default:  // elementwise, concatenate, sort, and call: a callee keeps rows apart or it is not row by row
      return {operands.begin(), operands.end()};
  }
}

}  // namespace

RowClasses::RowClasses(const hlo::Computation& computation) {
  std::vector<const Instruction*> bounded;
  std::unordered_map<const Instruction*, int> number;
  for (const auto& instruction : computation.instructions) {
    if (!is_bounded(instruction.get())) continue;
    number.emplace(instruction.get(), static_cast<int>(bounded.size()));
    bounded.push_back(instruction.get());
  }
  Unions unions(bounded.size());
  for (const auto& instruction : computation.instructions) {
    // Updates come row by row with the indices of a scatter, whether or not what is scattered into has bounded rows.
    if (instruction->opcode == Opcode::kScatter && is_bounded(instruction->operands[1]) &&
        is_bounded(instruction->operands[2])) {
      unions.join(number.at(instruction->operands[1]), number.at(instruction->operands[2]));
    }
    // A call over rows of two kinds does not join them: only its value says how many rows it has.
    if (instruction->opcode == Opcode::kCall) {
      int first = -1;
      bool one_kind = is_bounded(instruction.get());
      for (const Instruction* operand : instruction->operands) {
        if (!is_bounded(operand)) continue;
        const int found = unions.find(number.at(operand));
        one_kind = one_kind && (first == -1 || first == found);
        first = found;
      }
      if (one_kind && first != -1) unions.join(first, number.at(instruction.get()));
      continue;
    }
    const bool is_compound = instruction->opcode == Opcode::kSort && instruction->shape.is_tuple;
    if (!is_bounded(instruction.get()) && !is_compound) continue;
    int first = is_compound ? -1 : number.at(instruction.get());
    for (const Instruction* operand : row_sources(*instruction)) {
      if (!is_bounded(operand)) continue;
      if (first == -1) first = number.at(operand);
      unions.join(first, number.at(operand));
    }
  }
  std::unordered_map<int, int> dense;
  for (const Instruction* instruction : bounded) {
    const int root = unions.find(number.at(instruction));
    class_of_[instruction] = dense.emplace(root, static_cast<int>(dense.size())).first->second;
  }
  count_ = static_cast<int>(dense.size());
}

int RowClasses::of(const Instruction* instruction) const {
  const auto found = class_of_.find(instruction);
  return found == class_of_.end() ? -1 : found->second;
}

}  // namespace ganglion::reference
