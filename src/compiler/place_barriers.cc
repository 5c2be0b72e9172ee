#include "compiler/plan_memory.h"

namespace ganglion::compiler {

using program::Operand;
using program::Space;

namespace {

// More independent steps than this in a row meet anyway, so that looking back stays short.
constexpr std::size_t kLookBack = 24;

bool overlap(const Operand& a, const Operand& b) {
  if (a.space != b.space || a.index != b.index) return false;
  if (a.space != Space::kArena && a.space != Space::kShared) return true;
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

bool any_overlap(const std::vector<Operand>& a, const std::vector<Operand>& b) {
  for (const Operand& x : a) {
    for (const Operand& y : b) {
      if (overlap(x, y)) return true;
    }
  }
  return false;
}

bool conflict(const program::Step& before, const program::Step& step) {
  return any_overlap(before.results, step.operands) || any_overlap(before.operands, step.results) ||
         any_overlap(before.results, step.results);
}

}  // namespace

void place_barriers(program::Program& program) {
  std::size_t since = 0;
  for (std::size_t i = 1; i < program.steps.size(); ++i) {
    program::Step& step = program.steps[i];
    // Steps that run computations of their own have barriers inside.
    step.barrier = i - since >= kLookBack;
    for (std::size_t j = since; j < i && !step.barrier; ++j) step.barrier = conflict(program.steps[j], step);
    if (step.barrier) since = i;
  }
}

}  // namespace ganglion::compiler
