#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace ganglion {

File File::open(const std::filesystem::path& path) {
  // O_NONBLOCK: a fifo in the place of a file must not block us; it has no effect on regular files.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    const Code code = errno == ENOENT || errno == ENOTDIR ? Code::kNotFound : Code::kInvalidArgument;
    fail(code, "[file] {} cannot be opened: {}", path.string(), std::strerror(errno));
  }
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    fail(Code::kInvalidArgument, "[file] {} is not a regular file", path.string());
  }
  return File(path, descriptor, static_cast<std::uint64_t>(status.st_size));
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      mapping_(std::move(other.mapping_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  std::swap(mapping_, other.mapping_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void File::read(std::uint64_t offset, void* out, std::size_t count) const {
  char* next = static_cast<char*>(out);
  while (count > 0) {
    const ssize_t got = ::pread(descriptor_, next, count, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      fail(Code::kInternal, "[file] {}: reading {} bytes at {}: {}", path_.string(), count, offset,
           std::strerror(errno));
    if (got == 0) {
      fail(Code::kDataCorrupt,
           "[file] {}: {} more bytes wanted at {}, but the file ends there ({} bytes when it was opened)",
           path_.string(), count, offset, size_);
    }
    next += got;
    offset += static_cast<std::uint64_t>(got);
    count -= static_cast<std::size_t>(got);
  }
}

bool File::read_in_place(std::uint64_t offset, std::size_t count,
                         const std::function<void(const std::byte*)>& work) const {
  GANGLION_CHECK(offset <= size_ && count <= size_ - offset);
  const FileMapping::Outcome outcome = mapping_->use(offset, count, work);
  if (outcome == FileMapping::Outcome::kGone) {
    fail(Code::kDataCorrupt, "[file] {}: {} bytes at {} cannot be read any more ({} bytes when it was opened)",
         path_.string(), count, offset, size_);
  }
  return outcome == FileMapping::Outcome::kDone;
}

std::string read_text(const std::filesystem::path& path, std::uint64_t limit) {
  const File file = File::open(path);
  if (file.size() > limit) {
    fail(Code::kResourceExhausted, "[file] {} has {} bytes: at most {} are read", path.string(), file.size(), limit);
  }
  std::string text(file.size(), '\0');
  file.read(0, text.data(), text.size());
  return text;
}

}  // namespace ganglion
