// Random well-formed modules over small shapes, for comparing two things that run modules.
//
// The generator keeps, for every value, a bound on its size and on how far two right implementations may differ
// (roundings, sums in another order, a multiply and an add fused). Operations that jump (compare, floor, convert to
// integer, sort) are only applied where that distance is zero, and those that would make it large are not applied at
// all. So a result's tolerance is derived, not tuned.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "hlo/module.h"
#include "tensor/tensor.h"

namespace ganglion::differential {

struct RandomModule {
  std::unique_ptr<hlo::Module> module;  // verified; all parameters are inputs
  std::vector<Tensor> arguments;        // by parameter number
  std::vector<double> tolerances;       // per result: |difference| at most; 0: equal
};

// The same seed gives the same module and arguments. `operations` is about how many there are.
RandomModule random_module(std::uint64_t seed, int operations = 16);

}  // namespace ganglion::differential
