// Packed weights on disk, so that the next start reads them straight into place. A file holds one image of bytes, with
// a checksum of every block, under a name that is a hash of what went into it: the layout of the image, the files of
// the checkpoint, the version of this format. Nothing in it says where it or the checkpoint lies: both may be moved.
//
// What is not trusted is not used, with a line in the log: a folder or file of another user (but root) or that others
// may write to, a file cut short or changed, weights that are not the checkpoint's. See
// decisions/packed-weight-cache.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace ganglion {
class ThreadPool;
}

namespace ganglion::checkpoint {

// The paths, with the files of a folder in place of the folder, in alphabetical order of their names.
std::vector<std::filesystem::path> files_of(const std::vector<std::filesystem::path>& paths);

class PackedCache {
 public:
  // `sources`: the files that decide what the weights are, in an order of the caller's. They are sampled now (size and
  // 64 pieces of each); their content is hashed whole only when a file is written, or when a time of change is not the
  // one that was written down. `most_bytes`: see make_room() in packed_folder.h. Errors: what File throws about the
  // sources. The pool must outlive this object.
  PackedCache(std::filesystem::path folder, std::vector<std::filesystem::path> sources, ThreadPool& pool,
              std::uint64_t most_bytes = 0);

  // Fills `image` from the file of this layout. False when there is none that can be used; the image's bytes are
  // unspecified then. Does not throw about the cache.
  bool load(const std::string& layout, std::span<std::byte> image) const;

  // Writes the image of this layout beside its place and then moves it there: a reader, also in another process, sees a
  // whole file or none. Images that were not used for longest are deleted where room is wanted for it. False, with a
  // line in the log, when it cannot be done: no room, a folder that is read-only.
  bool store(const std::string& layout, std::span<const std::byte> image) const;

  // Where the image of this layout is or would be.
  std::filesystem::path path_of(const std::string& layout) const;

 private:
  std::string content_hash() const;  // of the sources, whole
  std::string times() const;         // of change, of the sources

  std::filesystem::path folder_;
  std::vector<std::filesystem::path> sources_;
  ThreadPool& pool_;
  std::uint64_t most_bytes_;
  std::string sample_;  // hash of sizes and pieces of the sources
  std::string times_;   // when this object was made
};

}  // namespace ganglion::checkpoint
