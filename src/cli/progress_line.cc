#include "cli/progress_line.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

namespace ganglion::cli {

ProgressLine::ProgressLine(std::string verb) : verb_(std::move(verb)), terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (terminal_ && drawn_) std::fputs("\n", stderr);
}

void ProgressLine::show(std::uint64_t done, std::uint64_t all) {
  const auto now = Clock::now();
  const std::chrono::duration<double> taken = now - start_;
  if (taken.count() < 2 || now < next_ || done == 0 || all == 0) return;
  next_ = now + (terminal_ ? std::chrono::milliseconds(250) : std::chrono::milliseconds(10'000));
  drawn_ = true;
  const double rate = static_cast<double>(done) / taken.count();
  std::fprintf(stderr, "%s%s: %.0f %% of %.1f GB, %.0f MB/s, %.0f s left%s", terminal_ ? "\r" : "", verb_.c_str(),
               100.0 * static_cast<double>(done) / static_cast<double>(all), static_cast<double>(all) / 1e9, rate / 1e6,
               static_cast<double>(all - done) / rate, terminal_ ? "\033[K" : "\n");
  std::fflush(stderr);
}

}  // namespace ganglion::cli
