// A lock between processes: flock on a file of its own, which is how huggingface_hub (by the filelock package) takes
// turns on the same paths.
#pragma once

#include <filesystem>
#include <functional>

#include "hub/options.h"

namespace ganglion::hub {

class LockFile {
 public:
  // Takes the lock, creating the file and its folder; while another process has it, waits, as long as `moving()` (some
  // number that grows while the other one works: the size of its partial file) changes within the stall timeout.
  // Errors: kDeadlineExceeded when it does not, naming the file; kCancelled; kInvalidArgument when the file cannot be
  // made.
  LockFile(const std::filesystem::path& path, const Options& options, const std::function<std::uint64_t()>& moving);
  ~LockFile();
  LockFile(const LockFile&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace ganglion::hub
