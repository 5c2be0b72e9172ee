// Files that come from outside, read with pread only. Nothing of a user's file is ever mapped: a mapped file that
// somebody truncates kills the process with SIGBUS (see decisions/read-not-map.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace ganglion {

// A regular file opened for reading. Move-only; read() is thread-safe.
class File {
 public:
  // Errors: kNotFound when it is not there, kInvalidArgument when it is not a regular file or cannot be opened.
  static File open(const std::filesystem::path& path);
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  ~File();

  const std::filesystem::path& path() const noexcept { return path_; }
  // Bytes when it was opened.
  std::uint64_t size() const noexcept { return size_; }
  // Reads exactly `count` bytes at `offset`; kDataCorrupt when the file has become shorter, kInternal on an I/O error.
  void read(std::uint64_t offset, void* out, std::size_t count) const;

 private:
  File(std::filesystem::path path, int descriptor, std::uint64_t size)
      : path_(std::move(path)), descriptor_(descriptor), size_(size) {}

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

// The whole of a text file of at most `limit` bytes; kResourceExhausted when it is larger.
std::string read_text(const std::filesystem::path& path, std::uint64_t limit = 64u << 20);

}  // namespace ganglion
