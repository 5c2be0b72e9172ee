// What a model takes, byte by byte, and whether it fits. The engine refuses with this sum before it loads anything
// large.
#pragma once

#include <cstdint>
#include <string>

#include "models/config.h"
#include "models/step.h"

namespace ganglion::planner {

// Bytes of all ranks together; what the ranks hold in common is counted once.
struct Plan {
  std::int64_t weights = 0;  // packed
  std::int64_t kv_cache = 0;
  std::int64_t activations = 0;  // what a step computes with
  std::int64_t program = 0;
  std::int64_t ranks = 1;
  std::int64_t total() const { return weights + kv_cache + activations + program; }
  // "weights 2.45 GiB + KV cache 1.50 GiB + activations 0.02 GiB + program 0.00 GiB = 3.97 GiB"
  std::string text() const;
};

// Bytes of K and V of one position, all layers and ranks together, heads that ranks repeat as often as they do.
std::int64_t cache_bytes_per_token(const models::Config& config, DType kv, int tp);

// How many blocks of the cache fit beside the rest of the plan, at most `wanted`; possibly 0.
std::int64_t blocks_that_fit(const Plan& plan, std::int64_t bytes_per_block, std::int64_t wanted,
                             std::int64_t memory_bytes);

// Error{kResourceExhausted} with the sum, what there is, and what to change, when the plan is larger than memory_bytes.
// `place` begins the message.
void check_fits(const Plan& plan, std::int64_t memory_bytes, const std::string& place);

}  // namespace ganglion::planner
