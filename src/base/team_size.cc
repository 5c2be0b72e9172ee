#include "base/team_size.h"

#include <algorithm>

namespace ganglion {

void TeamSize::observe(Clock::time_point now, Clock::duration worked, std::span<const Clock::duration> waited) {
  const double most = kMostWaiting * static_cast<double>(worked.count());
  const auto pushed_off = static_cast<int>(std::count_if(
      waited.begin(), waited.end(), [&](Clock::duration each) { return static_cast<double>(each.count()) > most; }));
  if (pushed_off == 0) {
    if (size_ == threads_) pause_ = kFirstPause;
    return;
  }
  size_ = std::max(1, size_ - pushed_off);
  next_trial_ = now + pause_;
  pause_ = std::min(2 * pause_, kLongestPause);
}

bool TeamSize::try_again(Clock::time_point now) {
  if (size_ == threads_ || now < next_trial_) return false;
  size_ = threads_;
  return true;
}

}  // namespace ganglion
