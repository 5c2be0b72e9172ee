#include "hub/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <vector>

#include "base/error.h"
#include "hub/progress.h"

namespace ganglion::hub {

namespace fs = std::filesystem;

PartialFile::PartialFile(fs::path path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
  struct stat status {};
  if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    const std::string why = descriptor_ < 0 ? std::strerror(errno) : "not a regular file";
    if (descriptor_ >= 0) ::close(descriptor_);
    fail(Code::kInvalidArgument,
         "[hub] {} cannot be written: {}; choose another cache with --cache, HF_HUB_CACHE or SERVING_DOWNLOAD_DIR",
         path_.string(), why);
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

PartialFile::~PartialFile() { ::close(descriptor_); }

void PartialFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(descriptor_, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      const bool full = errno == ENOSPC || errno == EFBIG || errno == EDQUOT;
      fail(full ? Code::kResourceExhausted : Code::kInternal,
           "[hub] {}: writing failed after {} bytes: {}; they are kept, and the same command goes on from there",
           path_.string(), size_, std::strerror(errno));
    }
    size_ += static_cast<std::uint64_t>(wrote);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

void PartialFile::restart() {
  if (::ftruncate(descriptor_, 0) != 0) {
    fail(Code::kInternal, "[hub] {} cannot be emptied: {}", path_.string(), std::strerror(errno));
  }
  size_ = 0;
}

void PartialFile::hash(Hasher& hasher, std::uint64_t most, const std::function<bool()>& cancelled) const {
  std::vector<char> buffer(1u << 20);
  const std::uint64_t end = std::min(size_, most);
  for (std::uint64_t at = 0; at < end;) {
    if (cancelled()) fail(Code::kCancelled, "[hub] {}: cancelled", path_.string());
    const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), end - at);
    const ssize_t got = ::pread(descriptor_, buffer.data(), wanted, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail(Code::kInternal, "[hub] {}: reading at {} failed", path_.string(), at);
    hasher.update({buffer.data(), static_cast<std::size_t>(got)});
    at += static_cast<std::uint64_t>(got);
  }
}

void PartialFile::finish(const fs::path& final) {
  std::error_code error;
  if (::fsync(descriptor_) == 0) fs::rename(path_, final, error);
  if (error)
    fail(Code::kInternal, "[hub] {} cannot be renamed to {}: {}", path_.string(), final.string(), error.message());
}

void PartialFile::remove() noexcept {
  std::error_code ignored;
  fs::remove(path_, ignored);
}

std::uint64_t free_bytes(fs::path folder) {
  struct statvfs status {};
  while (!folder.empty() && ::statvfs(folder.c_str(), &status) != 0) {
    if (folder == folder.parent_path()) return std::numeric_limits<std::uint64_t>::max();
    folder = folder.parent_path();
  }
  return folder.empty() ? std::numeric_limits<std::uint64_t>::max() : std::uint64_t{status.f_bavail} * status.f_frsize;
}

void check_space(const fs::path& folder, std::uint64_t wanted,
                 const std::function<std::uint64_t(const fs::path&)>& free) {
  const std::uint64_t there = free ? free(folder) : free_bytes(fs::absolute(folder));
  if (wanted <= there) return;
  fail(Code::kResourceExhausted,
       "[hub] {} has {} free: {} are wanted; make room or choose another cache with --cache, HF_HUB_CACHE or "
       "SERVING_DOWNLOAD_DIR",
       folder.string(), size_text(static_cast<double>(there)), size_text(static_cast<double>(wanted)));
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    fail(Code::kInvalidArgument,
         "[hub] {} cannot be made: {}; choose another cache with --cache, HF_HUB_CACHE or SERVING_DOWNLOAD_DIR",
         folder.string(), error.message());
  }
}

}  // namespace ganglion::hub
