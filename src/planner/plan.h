// What a model takes, byte by byte, and whether it fits. These sums decide before anything large is loaded, before a
// request is queued, and what `ganglion plan` prints; there are no others.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "planner/weight_kind.h"

namespace ganglion::planner {

// "25.71 GiB", "3.2 MiB", "0.5 KiB"
std::string size_text(std::int64_t bytes);

struct Sums {
  std::array<std::int64_t, static_cast<std::size_t>(WeightKind::kCount)> weights_of = {};  // packed, by kind
  std::int64_t kv_cache = 0;
  std::int64_t activations = 0;  // what a step computes with, and the logits
  std::int64_t program = 0;
  std::int64_t weights() const;
  std::int64_t total() const { return weights() + kv_cache + activations + program; }
  // "weights 2.45 GiB + KV cache 1.50 GiB + activations 0.02 GiB + program 0.00 GiB = 3.97 GiB"
  std::string text() const;
};

struct Plan {
  Sums all;   // of all ranks together; what they hold in common is counted once
  Sums core;  // of one rank that shares nothing: what a NeuronCore would hold
  std::int64_t ranks = 1;
  std::int64_t positions = 0;           // most of one sequence
  std::int64_t block_size = 1;          // positions of a cache block
  std::int64_t blocks = 0;              // of the cache
  std::int64_t bytes_per_position = 0;  // of K and V, all layers and ranks together
};

// Blocks that hold so many positions.
std::int64_t blocks_for(std::int64_t positions, std::int64_t block_size) noexcept;

// How many blocks of the cache fit beside the rest of the plan, at most `wanted`; possibly 0.
std::int64_t blocks_that_fit(const Plan& plan, std::int64_t wanted, std::int64_t memory_bytes);

// Error{kResourceExhausted} with the sum, what there is, and what to change, when the plan is larger than memory_bytes.
// `place` begins the message.
void check_fits(const Plan& plan, std::int64_t memory_bytes, const std::string& place);

// Error{kInvalidArgument} when a request of so many tokens can never run: it is longer than a sequence may be, or wants
// more of the cache than there is, with what it wants and what there is.
void check_request(const Plan& plan, std::int64_t prompt_tokens, std::int64_t new_tokens);

// Memory of one NeuronCore of Trainium1 and Inferentia2.
inline constexpr std::int64_t kNeuronCoreBytes = std::int64_t{16} << 30;
// Whether Trn1 or Inf2 instances run collectives of this degree.
bool trn1_has_degree(int tp) noexcept;
bool inf2_has_degree(int tp) noexcept;

}  // namespace ganglion::planner
