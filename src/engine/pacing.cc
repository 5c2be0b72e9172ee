#include "engine/pacing.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ganglion::engine {
namespace {

constexpr double kFading = 0.9;  // of old measurements in the sums, per step
constexpr double kGrowth = 1.2;  // most that the time of a step grows from one measurement to the next

}  // namespace

// By powers of two: within one, the time of a step varies by less than kStretch.
std::size_t Pacing::class_of(std::int64_t decoding) {
  return static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(decoding))) - 1;
}

std::int64_t Pacing::prompt_tokens(std::int64_t decoding) const {
  const Decode& decode = decode_[class_of(decoding)];
  if (decode.measured < 2 || decode.mixed_steps >= kMeasureEvery) return 0;
  if (added_tokens_ == 0) return kLeastTokens;
  const double room = (kStretch - 1) * decode.seconds;
  const double per_token = added_seconds_ / added_tokens_;
  const auto most = static_cast<double>(2 * tried_);
  const double fitting = per_token * most <= room ? most : room / per_token;
  return std::max(kLeastTokens, static_cast<std::int64_t>(fitting));
}

void Pacing::observe(std::int64_t decoding, std::int64_t prompt_tokens, double seconds) {
  const auto add = [&](double added) {
    added_seconds_ = kFading * added_seconds_ + added;
    added_tokens_ = kFading * added_tokens_ + static_cast<double>(prompt_tokens);
  };
  if (decoding == 0) {
    if (!from_mixed_ && prompt_tokens > 0) add(seconds);
    return;
  }
  Decode& decode = decode_[class_of(decoding)];
  if (prompt_tokens == 0) {
    // A step is sometimes long for reasons of the machine's: the least of two begins it, and later it grows slowly.
    decode.seconds = decode.measured == 0   ? seconds
                     : decode.measured == 1 ? std::min(decode.seconds, seconds)
                                            : std::min(seconds, kGrowth * decode.seconds);
    ++decode.measured;
    decode.mixed_steps = 0;
    return;
  }
  ++decode.mixed_steps;
  if (!from_mixed_) added_seconds_ = added_tokens_ = 0;
  from_mixed_ = true;
  add(std::max(0.0, seconds - decode.seconds));
  tried_ = std::max(tried_, prompt_tokens);
}

}  // namespace ganglion::engine
