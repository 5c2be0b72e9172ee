// How many prompt tokens may join a step in which others decode, so that these do not wait for their next token much
// longer than usual. Learnt from how long steps took: what a step of so many decoding sequences takes, and what each
// prompt token adds. It decides how prompts are cut and never what comes out (decisions/prefix-cache.md). Numbers in,
// numbers out: no clock of its own. The engine thread owns it.
#pragma once

#include <array>
#include <cstdint>

namespace ganglion::engine {

class Pacing {
 public:
  // A step with prompt tokens is to take so many times what it takes without. The target for the slowest tokens is 3;
  // the rest is for estimates that are off.
  static constexpr double kStretch = 2;
  // At least so many prompt tokens join a step, or a prompt would take forever beside slow decoding.
  static constexpr std::int64_t kLeastTokens = 8;

  // After so many steps with prompt tokens one without is wanted, to measure again what that takes.
  static constexpr std::int64_t kMeasureEvery = 32;

  // Prompt tokens for a step in which so many sequences decode: 0 when it is to be measured without any, as the first
  // two such steps always are, else at least kLeastTokens.
  std::int64_t prompt_tokens(std::int64_t decoding) const;
  // A step with so many decoding sequences and prompt tokens took so long.
  void observe(std::int64_t decoding, std::int64_t prompt_tokens, double seconds);

 private:
  static std::size_t class_of(std::int64_t decoding);

  struct Decode {
    double seconds = 0;            // of a step in which only so many decode
    std::int64_t measured = 0;     // times
    std::int64_t mixed_steps = 0;  // since it was measured
  };
  std::array<Decode, 64> decode_ = {};  // by class_of
  // What prompt tokens added and how many there were, both fading. Of steps without decoding until there is better.
  double added_seconds_ = 0;
  double added_tokens_ = 0;
  bool from_mixed_ = false;
  std::int64_t tried_ = kLeastTokens / 2;  // most prompt tokens that a mixed step had: no more than twice as many next
};

}  // namespace ganglion::engine
