// A file's bytes where the page cache has them, for work that would otherwise copy gigabytes. Whoever truncates a mapped
// file makes the kernel send SIGBUS to the thread that touches what is gone; here that ends the work with an error, and
// nothing else (see decisions/files-and-memory.md).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace ganglion {

// One file, mapped when it is first used. Thread-safe.
class FileMapping {
 public:
  // The descriptor stays the caller's and must be open as long as this is used.
  FileMapping(int descriptor, std::uint64_t size) : descriptor_(descriptor), size_(size) {}
  ~FileMapping();
  FileMapping(const FileMapping&) = delete;

  enum class Outcome { kDone, kCannotMap, kGone };
  // Calls work(bytes [offset, offset + count)), which must lie within the size given. `work` only reads them and writes
  // to memory of its own: it is left in the middle, without unwinding, when the file has become shorter (kGone), so it
  // must not allocate, lock or hold anything that has a destructor. kCannotMap: it was not called.
  Outcome use(std::uint64_t offset, std::size_t count, const std::function<void(const std::byte*)>& work) const;

 private:
  const std::byte* mapped() const;
  void used(std::size_t count) const;

  const int descriptor_;
  const std::uint64_t size_;
  mutable std::atomic<std::byte*> start_{nullptr};
  mutable std::atomic<std::size_t> resident_{0};  // at most, of what was used
};

}  // namespace ganglion
