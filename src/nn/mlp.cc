#include "nn/mlp.h"

#include "nn/linear.h"

namespace ganglion::nn {

hlo::Value mlp(const Scope& up, const Scope& down, const MlpOptions& options, hlo::Value x) {
  const hlo::Value inner =
      linear(up, {.in = options.hidden, .out = options.inner, .split = Split::kColumns, .bias = options.bias}, x);
  return linear(down, {.in = options.inner, .out = options.hidden, .split = Split::kRows, .bias = options.bias},
                activate(inner, options.activation));
}

}  // namespace ganglion::nn
