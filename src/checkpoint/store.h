// The checkpoint of a model folder as Hugging Face lays it out: model.safetensors, or model.safetensors.index.json and
// the shards it names. Everything about it is checked when it is opened; the numbers are read later, row by row.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors.h"
#include "tensor/source.h"

namespace ganglion::checkpoint {

// Immutable and thread-safe.
class Store {
 public:
  // Files must lie within the folder (links are followed, and must end there too; the snapshot folders of the Hugging
  // Face cache, whose files link to ../../blobs, are the one exception). Errors, each naming the file:
  //   kNotFound     no such folder, no weights in it, a shard that the index names is missing
  //   kUnsupported  only pytorch_model.bin (or its like) is there; what header.h says
  //   kInvalidArgument  an index whose shards lie outside the folder
  //   kDataCorrupt  an index that is not of the form wanted; a weight that is not in the shard the index gives for it;
  //   a
  //                 shard with weights that the index does not know; what header.h says
  static Store open(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const noexcept { return folder_; }
  bool has(std::string_view name) const { return find(name) != nullptr; }
  // Type, dims and place of a weight; nullptr when there is none of that name. Valid as long as this store.
  const TensorEntry* find(std::string_view name) const;
  // The weight's numbers; may outlive the store. Error{kNotFound} when there is none of that name.
  std::shared_ptr<const TensorSource> source(std::string_view name) const;
  // In alphabetical order.
  std::vector<std::string> names() const;
  // Of all weights together.
  std::uint64_t bytes() const noexcept { return bytes_; }
  // The files that hold the weights.
  std::vector<std::filesystem::path> files() const;

 private:
  explicit Store(std::filesystem::path folder) : folder_(std::move(folder)) {}
  void open_single(const std::filesystem::path& path);
  void open_sharded(const std::filesystem::path& index_path);

  std::filesystem::path folder_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, std::size_t, std::less<>> file_of_;  // weight to index in files_
  std::uint64_t bytes_ = 0;
};

}  // namespace ganglion::checkpoint
