// Picks the next token from a row of logits.
//
// The order of what is applied is Hugging Face's: temperature, then top-k, then top-p. Randomness is a function of
// (seed, position) alone, so a request's tokens do not depend on when or beside whom it ran.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/engine.h"

namespace ganglion::engine {

struct Choice {
  std::int32_t id = -1;
  float log_prob = 0;  // of the token at temperature 1, nothing cut and nothing suppressed
};

// Reuses its memory; one per thread.
class Sampler {
 public:
  // `suppressed` is the token that suppress_eos excludes, -1 for none; `position` the place of the new token in its
  // sequence. Error{kInternal} when a logit is NaN or infinite.
  Choice pick(std::span<const float> logits, const Sampling& sampling, std::int32_t suppressed, std::uint64_t seed,
              std::uint64_t position);

 private:
  struct Candidate {
    double weight;  // a logit first, then the unnormalised probability at the request's temperature
    std::int32_t id;
  };
  std::vector<Candidate> candidates_;
};

// A number in [0, 1) from a seed and a position (Steele, Lea, Flood 2014: the finalizer of SplitMix64, applied twice).
double uniform(std::uint64_t seed, std::uint64_t position) noexcept;

// Error{kInvalidArgument} when a parameter is out of its range; the message names it with its value.
void check_sampling(const Sampling& sampling);

}  // namespace ganglion::engine
