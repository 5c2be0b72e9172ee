// Elementwise instructions and combiners in the program's words.
#pragma once

#include <optional>

#include "hlo/module.h"
#include "program/program.h"

namespace ganglion::compiler {

// nullopt: the opcode is not elementwise (broadcast and reshape are not).
std::optional<program::ElementOp> element_op(const hlo::Instruction& instruction);
// What a computation of two scalars does, when it is one operation on its two parameters in order; `overwrite` when it
// just returns the second. nullopt: something else.
struct Combiner {
  program::Combine combine = program::Combine::kAdd;
  bool overwrite = false;
};
std::optional<Combiner> combiner(const hlo::Computation& computation);

}  // namespace ganglion::compiler
