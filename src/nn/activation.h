// The functions between the matrices of an MLP.
#pragma once

#include <cstdint>

#include "hlo/builder.h"

namespace ganglion::nn {

enum class ActivationFunction : std::uint8_t { kRelu, kGeluErf, kGeluTanh, kSilu };

// Elementwise on f32 of any shape.
hlo::Value activate(hlo::Value x, ActivationFunction function);

}  // namespace ganglion::nn
