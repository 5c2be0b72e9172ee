#include "checkpoint/packed_folder.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"

namespace ganglion::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kImage = ".weights", kUnfinished = ".unfinished";

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags) : value_(::open(path.c_str(), flags | O_CLOEXEC)) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  int value() const noexcept { return value_; }

 private:
  int value_;
};

bool is_hex(std::string_view text, std::size_t count) {
  return text.size() == count && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "HASH.weights", HASH being 32 digits.
bool is_image_name(std::string_view name) {
  if (!name.ends_with(kImage)) return false;
  return is_hex(name.substr(0, name.size() - kImage.size()), 32);
}

// "HASH.PID.RANDOM.unfinished".
bool is_unfinished_name(std::string_view name) {
  if (!name.ends_with(kUnfinished) || name.size() < 32 + 10 + kUnfinished.size()) return false;
  name.remove_suffix(kUnfinished.size());
  const std::string_view middle = name.substr(32, name.size() - 32 - 9);  // ".PID"
  return is_hex(name.substr(0, 32), 32) && name[name.size() - 9] == '.' && is_hex(name.substr(name.size() - 8), 8) &&
         middle.size() > 1 && middle[0] == '.' && middle.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

bool is_ours(const struct stat& status) {
  return S_ISREG(status.st_mode) && status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

struct Image {
  fs::path path;
  std::uint64_t bytes = 0;
  struct stat status {};
};

std::optional<Image> image_at(const fs::path& path) {
  const Descriptor file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  Image out{.path = path};
  std::array<char, kPackedMagic.size()> begin{};
  if (file.value() < 0 || ::fstat(file.value(), &out.status) != 0 || !is_ours(out.status)) return std::nullopt;
  if (::pread(file.value(), begin.data(), begin.size(), 0) != static_cast<ssize_t>(begin.size())) return std::nullopt;
  if (begin != kPackedMagic) return std::nullopt;
  out.bytes = static_cast<std::uint64_t>(out.status.st_size);
  return out;
}

// Its writer holds a lock on it as long as it lives.
void delete_if_abandoned(const fs::path& path) {
  const Descriptor file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  struct stat status {};
  if (file.value() < 0 || ::fstat(file.value(), &status) != 0 || !is_ours(status)) return;
  if (::flock(file.value(), LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
}

bool used_before(const Image& a, const Image& b) {
  const auto time = [](const Image& image) {
    return std::pair(image.status.st_mtim.tv_sec, image.status.st_mtim.tv_nsec);
  };
  return time(a) < time(b);
}

// Whether what is there now is what was looked at, and was not used since.
bool is_unchanged(const Image& image) {
  struct stat now {};
  return ::lstat(image.path.c_str(), &now) == 0 && now.st_ino == image.status.st_ino &&
         now.st_mtim.tv_sec == image.status.st_mtim.tv_sec && now.st_mtim.tv_nsec == image.status.st_mtim.tv_nsec;
}

}  // namespace

std::optional<fs::path> packed_folder(const std::string& setting, const fs::path& user_cache) {
  if (setting.empty() || setting == "off") return std::nullopt;
  if (setting != "on") return fs::path(setting);
  if (!user_cache.empty()) return user_cache / "ganglion";
  fail(Code::kInvalidArgument, "[weight cache] on: neither XDG_CACHE_HOME nor HOME says where; give a folder");
}

std::uint64_t packed_folder_bytes(const std::string& setting, const std::string& place) {
  constexpr std::string_view kUnits = "KMGT";
  std::uint64_t number = 0;
  const char* end = setting.data() + setting.size();
  const auto [stop, error] = std::from_chars(setting.data(), end, number);
  const std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  const std::size_t power = unit.empty() ? 0 : kUnits.find(unit) + 1;
  if (error != std::errc() || unit.size() > 1 || (!unit.empty() && power == 0) || number > (UINT64_MAX >> (10 * power)))
    fail(Code::kInvalidArgument, "[{}] {}: wanted a number of bytes, as in 64G (K, M, G, T; 0: no limit)", place,
         setting);
  return number << (10 * power);
}

void make_room(const fs::path& folder, std::uint64_t most, std::uint64_t incoming, const fs::path& keep) {
  if (most != 0 && incoming > most) {
    fail(Code::kResourceExhausted,
         "[weight cache] {} bytes are more than the {} that GANGLION_WEIGHT_CACHE_SIZE allows", incoming, most);
  }
  const Descriptor lock(folder, O_RDONLY | O_DIRECTORY);
  while (lock.value() >= 0 && ::flock(lock.value(), LOCK_EX) != 0 && errno == EINTR) {
  }
  std::vector<Image> images;
  std::uint64_t total = incoming;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (is_unfinished_name(name)) delete_if_abandoned(it->path());
    if (!is_image_name(name) || name == keep.filename()) continue;
    if (auto image = image_at(it->path())) {
      total += image->bytes;
      images.push_back(*std::move(image));
    }
  }
  if (most == 0) return;
  std::sort(images.begin(), images.end(), used_before);
  for (const Image& image : images) {
    if (total <= most) return;
    if (!is_unchanged(image)) continue;
    if (::unlink(image.path.c_str()) != 0 && errno != ENOENT) continue;
    total -= image.bytes;
    log::info("[weight cache] {} ({} bytes) is deleted: the folder may hold {} bytes", image.path.string(), image.bytes,
              most);
  }
}

void mark_used(const fs::path& image) noexcept {
  const struct timespec now[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = 0, .tv_nsec = UTIME_NOW}};
  static_cast<void>(::utimensat(AT_FDCWD, image.c_str(), now, AT_SYMLINK_NOFOLLOW));
}

UnfinishedImage::UnfinishedImage(fs::path target) : target_(std::move(target)) {
  while (true) {
    path_ = target_.parent_path() /
            fmt::format("{}.{}.{:08x}{}", target_.stem().string(), ::getpid(), std::random_device{}(), kUnfinished);
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor_ < 0) fail_writing();
    struct stat status {};
    // Between the two calls a cleaner may have taken it for one that was abandoned.
    if (::flock(descriptor_, LOCK_EX) == 0 && ::fstat(descriptor_, &status) == 0 && status.st_nlink > 0) return;
    ::close(descriptor_);
  }
}

UnfinishedImage::~UnfinishedImage() {
  if (!path_.empty()) ::unlink(path_.c_str());
  if (descriptor_ >= 0) ::close(descriptor_);
}

void UnfinishedImage::write(std::uint64_t offset, const void* data, std::size_t bytes) {
  const auto* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t done = ::pwrite(descriptor_, next, bytes, static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail_writing();
    next += done;
    offset += static_cast<std::uint64_t>(done);
    bytes -= static_cast<std::size_t>(done);
  }
}

void UnfinishedImage::finish() {
  // Closing tells what a network's file system could not write. The lock stays until the file has its name: no cleaner
  // takes it for one that was abandoned.
  const int copy = ::dup(descriptor_);
  if (copy < 0 || ::close(copy) != 0) fail_writing();
  if (::rename(path_.c_str(), target_.c_str()) != 0) fail_writing();
  path_.clear();
  ::close(std::exchange(descriptor_, -1));
}

void UnfinishedImage::fail_writing() const {
  const int error = errno;
  fail(Code::kInternal, "[weight cache] {} cannot be written: {}", path_.string(), std::strerror(error));
}

}  // namespace ganglion::checkpoint
