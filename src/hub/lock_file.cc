#include "hub/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/log.h"

namespace ganglion::hub {
namespace {

using Clock = std::chrono::steady_clock;

// The holder may delete the file when it lets go: a lock on a deleted file keeps nobody out.
bool still_there(int descriptor, const std::filesystem::path& path) {
  struct stat mine {};
  struct stat named {};
  return ::fstat(descriptor, &mine) == 0 && ::stat(path.c_str(), &named) == 0 && mine.st_dev == named.st_dev &&
         mine.st_ino == named.st_ino;
}

}  // namespace

LockFile::LockFile(const std::filesystem::path& path, const Options& options,
                   const std::function<std::uint64_t()>& moving) {
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);
  std::uint64_t last = moving();
  auto moved = Clock::now();
  bool told = false;
  while (true) {
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (descriptor_ < 0) {
      fail(Code::kInvalidArgument,
           "[hub] {} cannot be made: {}; choose another cache with --cache, HF_HUB_CACHE or SERVING_DOWNLOAD_DIR",
           path.string(), std::strerror(errno));
    }
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 && still_there(descriptor_, path)) return;
    ::close(descriptor_);
    descriptor_ = -1;
    if (!told) log::info("[hub] another process works on {}; waiting for it", path.stem().string());
    told = true;
    if (const std::uint64_t now = moving(); now != last) {
      last = now;
      moved = Clock::now();
    }
    if (Clock::now() - moved > 2 * options.http.stall_timeout) {
      fail(Code::kDeadlineExceeded, "[hub] another process holds {} and has made no progress for {} s; end it first",
           path.string(), 2 * options.http.stall_timeout.count());
    }
    if (options.cancelled()) fail(Code::kCancelled, "[hub] cancelled while another process holds {}", path.string());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

LockFile::~LockFile() {
  if (descriptor_ >= 0) ::close(descriptor_);  // which unlocks
}

}  // namespace ganglion::hub
