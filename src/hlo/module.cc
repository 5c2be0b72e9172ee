#include "hlo/module.h"

#include <algorithm>

namespace ganglion::hlo {

std::vector<Instruction*> Computation::parameters() const {
  std::vector<Instruction*> out;
  for (const auto& instruction : instructions) {
    if (instruction->opcode == Opcode::kParameter) out.push_back(instruction.get());
  }
  std::stable_sort(out.begin(), out.end(), [](const Instruction* a, const Instruction* b) {
    return a->parameter_number < b->parameter_number;
  });
  return out;
}

Computation* Module::add_computation(std::string computation_name) {
  computations.push_back(std::make_unique<Computation>());
  computations.back()->name = std::move(computation_name);
  return computations.back().get();
}

std::vector<Shape> Module::result_shapes() const {
  const Shape& shape = entry->root->shape;
  if (shape.is_tuple) return shape.elements;
  return {shape};
}

}  // namespace ganglion::hlo
