// Files that come from outside. They may be truncated or rewritten while they are read: that is an error, never a
// signal (see decisions/files-and-memory.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/file_mapping.h"

namespace ganglion {

// A regular file opened for reading. Move-only; read() and read_in_place() are thread-safe.
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
  // Calls work(the bytes) without copying them; what `work` may do is in FileMapping::use. The bytes must have been in
  // the file when it was opened. False when the file cannot be mapped, and nothing was done. kDataCorrupt when it has
  // become shorter.
  bool read_in_place(std::uint64_t offset, std::size_t count, const std::function<void(const std::byte*)>& work) const;

 private:
  File(std::filesystem::path path, int descriptor, std::uint64_t size)
      : path_(std::move(path)),
        descriptor_(descriptor),
        size_(size),
        mapping_(std::make_unique<FileMapping>(descriptor, size)) {}

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  std::unique_ptr<FileMapping> mapping_;
};

// The whole of a text file of at most `limit` bytes; kResourceExhausted when it is larger.
std::string read_text(const std::filesystem::path& path, std::uint64_t limit = 64u << 20);

}  // namespace ganglion
