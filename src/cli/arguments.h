// Arguments and results of a module as .npy files in a folder: <number>.npy, or <number>.rank<r>.npy where ranks
// differ.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "hlo/module.h"
#include "tensor/tensor.h"

namespace ganglion::cli {

// Arguments of every parameter of the entry, per rank: from `files` in the order of the parameters when it is not
// empty, else from the folder. A parameter of role state without a file is zero. bf16 is kept as u16 bits in .npy
// (numpy has no bf16) and s4 as s8; both are taken as the parameter's type. kNotFound, kInvalidArgument with the
// parameter's name and what it wants.
std::vector<std::vector<Tensor>> read_arguments(const hlo::Module& module, const std::vector<std::string>& files,
                                                const std::filesystem::path& folder, int ranks);
void write_argument(const std::filesystem::path& folder, std::int64_t number, const TensorView& value);
void write_argument(const std::filesystem::path& folder, std::int64_t number, int rank, const TensorView& value);

}  // namespace ganglion::cli
