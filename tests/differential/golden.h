// The goldens of tests/goldens/ops: modules with arguments and the results that XLA's CPU backend gave (see
// make_goldens.py there, which says what the fields mean).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "hlo/module.h"
#include "tensor/tensor.h"
#include "tests/differential/closeness.h"

namespace ganglion::differential {

struct Golden {
  std::string name;
  std::unique_ptr<hlo::Module> module;
  std::vector<std::vector<Tensor>> arguments;  // [rank][parameter]
  std::vector<std::vector<Tensor>> results;    // [rank][result]
  Closeness closeness;
};

// The families there are goldens of: the files of tests/goldens/ops without their ending.
inline constexpr const char* kGoldenFamilies[] = {"unary",          "binary", "compare", "choose",
                                                  "convert",        "shape",  "dot",     "reduce",
                                                  "gather_scatter", "sort",   "control", "collectives"};

// All cases of one family's file. Throws what reading the file and hlo::read_proto throw.
std::vector<Golden> read_goldens(const std::filesystem::path& path);

// Views of all tensors, rank by rank: what the evaluator and executables take.
std::vector<std::vector<TensorView>> views(const std::vector<std::vector<Tensor>>& per_rank);

}  // namespace ganglion::differential
