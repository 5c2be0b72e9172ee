// Evaluates any module of hlo/: slow, and written to be obviously right. It is the oracle of the compiler, the kernels
// and the plugins, and folds constants; no program step calls it.
//
// Numbers: integers wrap as XLA's do (x / 0 is -1, shifts past the width give 0); f16 and bf16 are computed in f32 and
// rounded after every operation; functions such as exp are computed in f64 and rounded once; subnormals are kept (XLA's
// CPU backend flushes them); dot sums in f32 in order of the contracted index; reduce runs its computation in element
// order. A composite runs its body.
//
// Bounded rows: a bounded parameter has as many rows as its argument has, which must be what its size parameter says;
// everything computed from it row by row has as many.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hlo/module.h"
#include "tensor/tensor.h"

namespace ganglion::reference {

struct EvaluateOptions {
  // Iterations of all whiles together; a module that wants more fails with kDeadlineExceeded.
  std::int64_t iteration_limit = 10'000'000;
};

// The results (the elements of the root tuple, or the root alone), aliased ones too. `arguments` by parameter number,
// all of them, whatever their role. Errors: kInvalidArgument when an argument's type or dims do not fit or the module
// breaks a rule; kUnsupported for a custom-call. Thread-safe.
std::vector<Tensor> evaluate(const hlo::Module& module, std::span<const TensorView> arguments,
                             const EvaluateOptions& options = {});

// The same module on arguments.size() ranks in lock-step, each with its own arguments: results per rank. Collectives
// combine in rank order. A while that holds a collective must take the same number of turns on all ranks
// (kInvalidArgument).
std::vector<std::vector<Tensor>> evaluate_ranks(const hlo::Module& module,
                                                std::span<const std::vector<TensorView>> arguments,
                                                const EvaluateOptions& options = {});

}  // namespace ganglion::reference
