// Writing safetensors files.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tensor/source.h"

namespace ganglion::checkpoint {

struct NamedTensor {
  std::string name;
  std::shared_ptr<const TensorSource> source;
};

// Writes the tensors, in this order, a few MiB at a time, to a file beside `path` that takes its place when it is
// whole: a reader sees the old file or the new one. Errors: {kInvalidArgument} when a name comes twice, is
// "__metadata__" or is not UTF-8, or when the file cannot be written; and what the sources throw. Nothing is left
// behind then.
void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace ganglion::checkpoint
