// A decoder as one module: the *step*, which runs new tokens of any number of sequences against the paged cache. Every
// family builds the same interface, so the engine knows no family.
//
// Inputs, in this order (T tokens, S sequences, R rows of logits; <= when the step is bounded):
//   token_count s32[], logit_count s32[]   only when bounded: the actual T and R
//   token_ids   s32[T]    position    s32[T]      sequence    s32[T]  row of block_table
//   slot        s32[T]    where K and V of the token are stored: block * block_size + offset; -1: nowhere
//   block_table s32[S, max_blocks]
//   logit_rows  s32[R]    which of the T tokens' logits are wanted
//   length      s32[T]    only when the step wants_lengths: how long the token's sequence was when it was new: its
//                         position + 1, or the prompt's length when that is more
// Then weights and state (k_cache.0, v_cache.0, k_cache.1, ..., with scales when in s8) in the order the family
// declares them. Results: logits f32[R, vocab] (whole vocabulary on every rank), then the caches, aliased.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hlo/module.h"
#include "models/config.h"
#include "nn/weights.h"
#include "tensor/source.h"

namespace ganglion::checkpoint {
class Store;
}

namespace ganglion::models {

// How numbers are kept. Arithmetic on the CPU is f32 whatever these say.
struct Types {
  DType storage = DType::kF32;     // weights of matmuls and embeddings: f32, f16, bf16, s8, s4 (nn/weights.h)
  DType activation = DType::kF32;  // between operations: f32 on the CPU
  DType kv = DType::kF32;          // the cache: f32, f16, bf16, s8
  std::int64_t group = 32;         // of s4: 32, 64 or 128 neighbours share a scale
};

struct StepSize {
  std::int64_t tokens = 1;      // T: capacity when bounded, else exact
  std::int64_t sequences = 1;   // S
  std::int64_t logit_rows = 1;  // R: capacity when bounded, else exact
  std::int64_t blocks = 1;      // of the cache
  std::int64_t block_size = 16;
  std::int64_t max_blocks = 1;  // of one sequence
  bool bounded = true;
  std::int64_t query_length = 0;  // see hlo::AttentionOptions; 0 when bounded
};

using nn::WeightBinding;

struct Step {
  std::unique_ptr<hlo::Module> module;
  std::vector<WeightBinding> weights;
  bool wants_lengths = false;                // has the input "length"
  std::vector<nn::DeclaredMatrix> matrices;  // what became of the checkpoint's
};

// A checkpoint's Store or seeded random numbers.
using nn::WeightFinder;
// A weight's name as the checkpoint has it: as asked, or without or with one of the prefixes. kNotFound with the name.
std::string stored_name(const checkpoint::Store& store, const std::string& name,
                        const std::vector<std::string>& optional_prefixes);
// Finds in a checkpoint, with or without the base-model prefix the family uses ("model.", "transformer.").
WeightFinder checkpoint_weights(const checkpoint::Store& store, const std::vector<std::string>& optional_prefixes);
// Seeded random weights of the config's shapes, no file: for benchmarks and tests.
WeightFinder random_weights(std::uint64_t seed);

}  // namespace ganglion::models
