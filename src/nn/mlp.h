// The matrices of a decoder layer with an activation between them.
#pragma once

#include <cstdint>

#include "hlo/builder.h"
#include "nn/activation.h"
#include "nn/weights.h"

namespace ganglion::nn {

struct MlpOptions {
  std::int64_t hidden = 0;
  std::int64_t inner = 0;
  ActivationFunction activation = ActivationFunction::kRelu;
  bool bias = true;
  bool transposed = false;  // see Stored
};

// x f32[T, hidden] to f32[T, hidden], the same on every rank. `up` [inner, hidden] is split by columns, `down`
// [hidden, inner] by rows: one all-reduce.
hlo::Value mlp(const Scope& up, const Scope& down, const MlpOptions& options, hlo::Value x);

// down(activation(gate(x)) * up(x)), SwiGLU when the activation is SiLU (Shazeer 2020, arXiv:2002.05202). Shapes and
// split as mlp; `gate` as `up`.
hlo::Value gated_mlp(const Scope& gate, const Scope& up, const Scope& down, const MlpOptions& options, hlo::Value x);

}  // namespace ganglion::nn
