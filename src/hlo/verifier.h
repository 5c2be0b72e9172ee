// Re-checks every rule on any module, ours or one read from a file: nothing about a module is trusted until it has been
// verified, and everything after (evaluator, compiler, plugins) may rely on what is said here.
//
// A verified module: has an entry; its computations stand after those they call (so nothing recurses) and are each
// owned by it once, with calls at most 64 deep; names of computations and instructions are unique; operands are of the
// same computation and stand before their users; every shape is what infer_shape gives; parameters of a computation are
// numbered 0..n-1 once each; aliases pair an array result with a parameter of the same shape, each at most once; every
// bounded parameter of the entry is bound to one s32[] input, and no others are, with one capacity for all that share a
// size; bounded rows of two sizes never meet; roles are on parameters of the entry only, composites on calls only.
#pragma once

#include "hlo/module.h"

namespace ganglion::hlo {

// Error{kInvalidArgument} with the instruction's name and place; Error{kUnsupported} as infer_shape.
void verify(const Module& module);

}  // namespace ganglion::hlo
