// The checkpoint of a model folder, in any form it is published in. In this order, the first that is there counts:
// model.safetensors; model.safetensors.index.json with shards; a folder pytorch_model.bin (split_folder.h);
// pytorch_model.bin; pytorch_model.bin.index.json with shards. Everything about it is checked when it is opened; the
// numbers are read later, row by row.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/torch_file.h"
#include "tensor/source.h"

namespace ganglion::checkpoint {

// Immutable and thread-safe.
class Store {
 public:
  // Files must lie within the folder (within_folder.h). Errors, each naming the file:
  //   kNotFound     no such folder, no weights in it, a shard that the index names is missing
  //   kUnsupported  only weights of another form are there (TensorFlow's, Flax's, consolidated.*.pth), with what to do;
  //                 what header.h and torch_file.h say
  //   kInvalidArgument  an index whose shards lie outside the folder
  //   kDataCorrupt  an index that is not of the form wanted; a weight that is not in the shard the index gives for it;
  //                 a safetensors shard with weights that the index does not know; what header.h and torch_file.h say
  static Store open(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const noexcept { return folder_; }
  bool has(std::string_view name) const { return find(name) != nullptr; }
  // For type and dims; nullptr when there is none of that name. Valid as long as this store.
  const TensorSource* find(std::string_view name) const;
  // The weight's numbers; may outlive the store. Error{kNotFound} when there is none of that name.
  std::shared_ptr<const TensorSource> source(std::string_view name) const;
  // In alphabetical order.
  std::vector<std::string> names() const;
  // Of all weights together.
  std::uint64_t bytes() const noexcept { return bytes_; }
  // The files that hold the weights, or the folder of the split form.
  const std::vector<std::filesystem::path>& files() const noexcept { return files_; }

 private:
  explicit Store(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::filesystem::path folder_;
  Sources weights_;  // by name
  std::vector<std::filesystem::path> files_;
  std::uint64_t bytes_ = 0;
};

}  // namespace ganglion::checkpoint
