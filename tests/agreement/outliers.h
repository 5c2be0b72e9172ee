// An OPT checkpoint with activation outliers, as large models of the family have them, made from one without.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace ganglion::agreement {

struct Outliers {
  std::vector<std::int64_t> channels;  // of the hidden size
  float factor = 1;
};

// Writes the checkpoint `model` to `folder` with those channels of every layer norm's output, but the last's, `factor`
// times as large, and the columns of the matrices that read them smaller by as much: the same model. In f32.
void write_with_outliers(const std::filesystem::path& model, const std::filesystem::path& folder,
                         const Outliers& outliers);

}  // namespace ganglion::agreement
