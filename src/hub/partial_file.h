// A file that is being fetched: always a prefix of the whole, written in order, so that whoever finds it after a crash,
// ganglion or huggingface_hub, goes on at its end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "hub/hash.h"

namespace ganglion::hub {

class PartialFile {
 public:
  // Opens or creates it; never through a symbolic link. kInvalidArgument when the folder cannot be written.
  explicit PartialFile(std::filesystem::path path);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::uint64_t size() const noexcept { return size_; }
  // kResourceExhausted when the disk (or a limit on the size of files) is full: what is there stays.
  void append(std::string_view bytes);
  // Forgets what is there.
  void restart();
  // Gives the bytes there to the hasher, at most `most` of them.
  void hash(Hasher& hasher, std::uint64_t most, const std::function<bool()>& cancelled) const;
  // Makes it the file `final`, on the same file system, in one step, once its bytes are on the disk.
  void finish(const std::filesystem::path& final);
  void remove() noexcept;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

// Bytes that this user may still write there; the folder need not exist yet. An unknown number is the largest.
std::uint64_t free_bytes(std::filesystem::path folder);
// kResourceExhausted with both numbers when `wanted` bytes do not fit in the file system of `folder`.
void check_space(const std::filesystem::path& folder, std::uint64_t wanted,
                 const std::function<std::uint64_t(const std::filesystem::path&)>& free);
// create_directories whose failure is an Error{kInvalidArgument} that says where to choose another place.
void make_folder(const std::filesystem::path& folder);

}  // namespace ganglion::hub
