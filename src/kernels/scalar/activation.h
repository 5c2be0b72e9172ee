// The activations and elementwise functions one value at a time, on the C library's functions.
#pragma once

#include <cmath>

#include "kernels/table.h"

namespace ganglion::kernels::scalar {

inline float relu(float x) noexcept { return x < 0.0f ? 0.0f : x; }  // NaN stays NaN

// x/2 * (1 + erf(x / sqrt 2))
inline float gelu_erf(float x) noexcept { return 0.5f * x * (1.0f + std::erf(x * 0.70710678118654752f)); }

// x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))
inline float gelu_tanh(float x) noexcept {
  return 0.5f * x * (1.0f + std::tanh(0.79788456080286536f * (x + 0.044715f * x * x * x)));
}

inline float silu(float x) noexcept { return x / (1.0f + std::exp(-x)); }

inline float activate(Activation activation, float x) noexcept {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return relu(x);
    case Activation::kGeluErf:
      return gelu_erf(x);
    case Activation::kGeluTanh:
      return gelu_tanh(x);
    case Activation::kSilu:
      return silu(x);
  }
  return x;
}

}  // namespace ganglion::kernels::scalar
