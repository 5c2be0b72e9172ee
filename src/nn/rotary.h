// Rotary position embeddings (Su et al. 2021, arXiv:2104.09864): pairs of features of a head turn by an angle that is
// the position times the pair's frequency. Frequencies and angles are rounded to f32 where Hugging Face transformers
// rounds them, so that far positions have the same angles.
#pragma once

#include <cstdint>
#include <vector>

#include "hlo/builder.h"
#include "hlo/composite.h"
#include "nn/token_inputs.h"
#include "nn/weights.h"

namespace ganglion::nn {

using hlo::RotaryPairs;

enum class RotaryScaling : std::uint8_t {
  kNone,
  kLinear,   // frequencies divided by the factor
  kDynamic,  // "NTK-aware": beyond original_positions the base grows with the length of the sequence
  kLlama3,   // low frequencies divided by the factor, high ones kept, a ramp between them
};

struct RotaryOptions {
  std::int64_t dim = 0;  // the leading features of a head that turn; even
  double theta = 10000;
  RotaryPairs pairs = RotaryPairs::kHalves;
  RotaryScaling scaling = RotaryScaling::kNone;
  double factor = 1;
  double low_freq_factor = 1;  // kLlama3
  double high_freq_factor = 1;
  std::int64_t original_positions = 0;  // kDynamic, kLlama3
};

// Radians per position of each of the dim / 2 pairs. `length`: of the sequence, read by kDynamic.
std::vector<float> rotary_frequencies(const RotaryOptions& options, std::int64_t length = 0);

// What turns the step's tokens; made once, for all layers.
struct Rotary {
  hlo::Value cosine;  // f32[T, dim / 2]
  hlo::Value sine;
  RotaryPairs pairs = RotaryPairs::kHalves;
};

// Declares the frequencies. With kDynamic a token's frequencies are those of tokens.length: its own position + 1, or
// its prompt's length when that is more. So a key stays in the cache as it was turned when it was new, as in Hugging
// Face's decoding with a cache. `max_positions` bounds the lengths.
Rotary make_rotary(Weights& weights, const RotaryOptions& options, const TokenInputs& tokens,
                   std::int64_t max_positions);

// x f32[T, heads * head_dim] with every head turned.
hlo::Value rotate(const Rotary& rotary, std::int64_t head_dim, hlo::Value x);

}  // namespace ganglion::nn
