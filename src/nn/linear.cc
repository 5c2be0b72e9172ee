#include "nn/linear.h"

#include "hlo/composite.h"

namespace ganglion::nn {

hlo::Value sum_over_ranks(const Scope& scope, hlo::Value x) {
  if (scope.tp() == 1) return x;
  return hlo::all_reduce(x, scope.builder().binary_computation(hlo::Opcode::kAdd, x.dtype()));
}

hlo::Value linear(const Scope& scope, const LinearOptions& options, hlo::Value x) {
  Weights& weights = scope.weights();
  const Matrix weight = weights.matrix(scope.name("weight"), {.out = options.out,
                                                              .in = options.in,
                                                              .split = options.split,
                                                              .copies = options.copies,
                                                              .stored = options.stored});
  hlo::Value bias;
  if (options.bias) {
    bias = weights.vector(
        scope.name("bias"),
        {.size = options.out, .split = options.split, .copies = options.copies, .stored = options.stored});
  }
  const hlo::Value y = weight.multiply(x, bias);
  return options.split == Split::kRows ? sum_over_ranks(scope, y) : y;
}

hlo::Value layer_norm(const Scope& scope, const NormOptions& options, hlo::Value x) {
  Weights& weights = scope.weights();
  const auto declare = [&](const char* leaf, bool stored, double otherwise) {
    return stored ? weights.vector(scope.name(leaf), {.size = options.size})
                  : weights.constant_vector(scope.name(leaf), options.size, otherwise);
  };
  const hlo::Value weight = declare("weight", options.affine, 1);
  const hlo::Value bias = declare("bias", options.affine && options.bias, 0);
  return hlo::layer_norm(x, weight, bias, options.epsilon);
}

hlo::Value rms_norm(const Scope& scope, std::int64_t size, float epsilon, hlo::Value x) {
  return hlo::rms_norm(x, scope.weights().vector(scope.name("weight"), {.size = size}), epsilon);
}

}  // namespace ganglion::nn
