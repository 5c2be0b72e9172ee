// One safetensors file, open for reading. Whoever truncates or rewrites it later gets an error into the load that reads
// it, not a signal into the process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "checkpoint/header.h"
#include "tensor/source.h"

namespace ganglion::checkpoint {

// Immutable and thread-safe. Cheap to copy: copies share the descriptor.
class SafetensorsFile {
 public:
  // Reads and checks the header (see header.h for what is refused); no data. Errors: also what File throws.
  static SafetensorsFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const noexcept { return file_->path(); }
  const Header& header() const noexcept { return *header_; }
  // nullptr when there is no such tensor. Valid as long as any copy of this file.
  const TensorEntry* find(std::string_view name) const;
  // In alphabetical order.
  std::vector<std::string> names() const;
  // The tensor's numbers; keeps the file open by itself. A file that became shorter since open() gives {kDataCorrupt}
  // from read_rows, and so does a BOOL that is neither 0 nor 1. Error{kNotFound} when there is no such tensor.
  std::shared_ptr<const TensorSource> source(std::string_view name) const;

 private:
  SafetensorsFile(std::shared_ptr<const File> file, std::shared_ptr<const Header> header)
      : file_(std::move(file)), header_(std::move(header)) {}

  // Shared with the sources, which may outlive this object.
  std::shared_ptr<const File> file_;
  std::shared_ptr<const Header> header_;
};

}  // namespace ganglion::checkpoint
