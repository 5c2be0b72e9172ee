#include "nn/mlp.h"

#include "nn/linear.h"

namespace ganglion::nn {
namespace {

hlo::Value widen(const Scope& scope, const MlpOptions& options, hlo::Value x) {
  return linear(scope,
                {.in = options.hidden,
                 .out = options.inner,
                 .split = Split::kColumns,
                 .bias = options.bias,
                 .stored = {.transposed = options.transposed}},
                x);
}

hlo::Value narrow(const Scope& scope, const MlpOptions& options, hlo::Value x) {
  return linear(scope,
                {.in = options.inner,
                 .out = options.hidden,
                 .split = Split::kRows,
                 .bias = options.bias,
                 .stored = {.transposed = options.transposed}},
                x);
}

}  // namespace

hlo::Value mlp(const Scope& up, const Scope& down, const MlpOptions& options, hlo::Value x) {
  return narrow(down, options, activate(widen(up, options, x), options.activation));
}

hlo::Value gated_mlp(const Scope& gate, const Scope& up, const Scope& down, const MlpOptions& options, hlo::Value x) {
  const hlo::Value gates = activate(widen(gate, options, x), options.activation);
  return narrow(down, options, gates * widen(up, options, x));
}

}  // namespace ganglion::nn
