#include "nn/rotary.h"

#include <cmath>

#include "base/error.h"

namespace ganglion::nn {
namespace {

constexpr double kTwoPi = 6.28318530717958648;

// Each operation rounded to f32, as transformers has it: 1 / base ** (2 i / dim).
std::vector<float> plain_frequencies(float base, std::int64_t dim) {
  std::vector<float> out;
  for (std::int64_t i = 0; i < dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(dim);
    out.push_back(1.0f / static_cast<float>(std::pow(static_cast<double>(base), static_cast<double>(exponent))));
  }
  return out;
}

// Peng et al. 2023 (arXiv:2309.00071) name it; the formula is transformers'.
float dynamic_base(const RotaryOptions& options, std::int64_t length) {
  const auto theta = static_cast<float>(options.theta);
  if (length <= options.original_positions) return theta;
  const auto factor = static_cast<float>(options.factor);
  const float grown = factor * static_cast<float>(length) / static_cast<float>(options.original_positions);
  const float growth = grown - static_cast<float>(options.factor - 1);
  const auto dim = static_cast<double>(options.dim);
  return theta * static_cast<float>(std::pow(static_cast<double>(growth), dim / (dim - 2)));
}

void scale_as_llama3(const RotaryOptions& options, std::vector<float>& frequencies) {
  const auto factor = static_cast<float>(options.factor);
  const auto low = static_cast<float>(options.low_freq_factor);
  const auto high = static_cast<float>(options.high_freq_factor);
  const auto positions = static_cast<float>(options.original_positions);
  for (float& frequency : frequencies) {
    const float wavelength = static_cast<float>(kTwoPi) / frequency;
    if (wavelength < positions / high) continue;
    if (wavelength > positions / low) {
      frequency /= factor;
      continue;
    }
    const float smooth = (positions / wavelength - low) / (high - low);
    frequency = (1.0f - smooth) * frequency / factor + smooth * frequency;
  }
}

}  // namespace

std::vector<float> rotary_frequencies(const RotaryOptions& options, std::int64_t length) {
  GANGLION_CHECK(options.dim > 0 && options.dim % 2 == 0);
  const bool is_dynamic = options.scaling == RotaryScaling::kDynamic;
  std::vector<float> out =
      plain_frequencies(is_dynamic ? dynamic_base(options, length) : static_cast<float>(options.theta), options.dim);
  if (options.scaling == RotaryScaling::kLlama3) scale_as_llama3(options, out);
  if (options.scaling == RotaryScaling::kLinear) {
    for (float& frequency : out) frequency /= static_cast<float>(options.factor);
  }
  return out;
}

Rotary make_rotary(Weights& weights, const RotaryOptions& options, const TokenInputs& tokens,
                   std::int64_t max_positions) {
  const std::int64_t pairs = options.dim / 2;
  const hlo::Value position = hlo::convert(tokens.position, DType::kF32);
  const hlo::Shape shape = hlo::Shape::array(DType::kF32, {position.dims()[0], pairs}, position.shape().bounded);
  hlo::Value frequency;  // f32[T, pairs]
  if (options.scaling == RotaryScaling::kDynamic) {
    // One row for each length from original_positions on; the lookup clamps shorter ones to the first.
    std::vector<float> table;
    for (std::int64_t length = options.original_positions; length <= max_positions; ++length) {
      const std::vector<float> row = rotary_frequencies(options, length);
      table.insert(table.end(), row.begin(), row.end());
    }
    const auto rows = static_cast<std::int64_t>(table.size()) / pairs;
    const hlo::Value own =
        weights.computed("rotary.frequencies", Tensor::from<float>(DType::kF32, {rows, pairs}, table));
    const hlo::Value first = weights.builder().scalar(DType::kS32, static_cast<double>(options.original_positions));
    frequency = hlo::embedding(own, tokens.length - hlo::broadcast_like(first, tokens.length, {}));
  } else {
    const hlo::Value own =
        weights.computed("rotary.frequencies", Tensor::from<float>(DType::kF32, {pairs}, rotary_frequencies(options)));
    frequency = hlo::broadcast(own, shape, {1});
  }
  const hlo::Value angle = hlo::broadcast(position, shape, {0}) * frequency;
  return {hlo::unary(hlo::Opcode::kCosine, angle), hlo::unary(hlo::Opcode::kSine, angle), options.pairs};
}

hlo::Value rotate(const Rotary& rotary, std::int64_t head_dim, hlo::Value x) {
  return hlo::rotary(x, rotary.cosine, rotary.sine, head_dim, rotary.pairs);
}

}  // namespace ganglion::nn
