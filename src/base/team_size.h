// How many threads of a pool run together while other processes want the same cores. A thread that is often pushed off
// its core holds up all that wait for it at barriers: the others are faster without it. Pure bookkeeping on numbers
// that others measure; not thread-safe.
#pragma once

#include <chrono>
#include <span>

namespace ganglion {

class TeamSize {
 public:
  using Clock = std::chrono::steady_clock;

  explicit TeamSize(int threads) : threads_(threads), size_(threads) {}

  int size() const noexcept { return size_; }
  // The threads have worked for so long together (kLook or more is enough to judge), and each of the team has meanwhile
  // waited so long for a core to run on. Those that waited for more than kMostWaiting of the time are too many.
  void observe(Clock::time_point now, Clock::duration worked, std::span<const Clock::duration> waited);
  // True when a smaller team has lasted long enough and all are tried again. A trial that fails is followed by a longer
  // pause than the one before, up to kLongestPause.
  bool try_again(Clock::time_point now);

  static constexpr Clock::duration kLook = std::chrono::milliseconds(50);
  static constexpr double kMostWaiting = 0.25;
  static constexpr Clock::duration kFirstPause = std::chrono::milliseconds(200);
  static constexpr Clock::duration kLongestPause = std::chrono::seconds(8);

 private:
  const int threads_;
  int size_;
  Clock::duration pause_ = kFirstPause;
  Clock::time_point next_trial_{};
};

}  // namespace ganglion
