// Rate and time left on standard error, for what works through a known number of bytes: once it takes longer than two
// seconds, four times a second on one line of a terminal, else a line every ten seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace ganglion::cli {

// Not thread-safe. The destructor ends the line.
class ProgressLine {
 public:
  explicit ProgressLine(std::string verb);  // "split"; what a line begins with
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;

  // So many bytes of all are done.
  void show(std::uint64_t done, std::uint64_t all);

 private:
  using Clock = std::chrono::steady_clock;

  const std::string verb_;
  const bool terminal_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point next_ = start_;
  bool drawn_ = false;
};

}  // namespace ganglion::cli
