// Runs a module on the CPU backend and on the evaluator with the same arguments, for tests that compare the two.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hlo/module.h"
#include "tensor/tensor.h"

namespace ganglion::differential {

// Arguments of one rank by parameter number; states are left out (they start as zeros).
using Arguments = std::vector<Tensor>;

// Numbers that suit the parameter: small floats, integers in [0, limit).
Tensor random_tensor(DType dtype, const Dims& dims, std::uint64_t seed, std::int64_t limit = 4);

struct CpuRun {
  int threads = 1;
  int ranks = 1;
  std::string isa = "scalar";
};

// Results of every rank, aliased states included where the module's outputs have them, after one run.
// `make` builds the module anew for every call. One list of arguments for each rank: inputs and replicated weights are
// taken from rank 0's list when `shared_inputs`.
std::vector<std::vector<Tensor>> run_cpu(std::unique_ptr<const hlo::Module> module,
                                         const std::vector<Arguments>& arguments, const CpuRun& how,
                                         bool shared_inputs = true);
std::vector<std::vector<Tensor>> run_reference(const hlo::Module& module, const std::vector<Arguments>& arguments);

// Largest difference over largest reference value (1 when that is below 1); NaNs must be at equal places (else
// infinity).
double relative_difference(const Tensor& actual, const Tensor& expected);
bool bit_equal(const Tensor& a, const Tensor& b);

}  // namespace ganglion::differential
