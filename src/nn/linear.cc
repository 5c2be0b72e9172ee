#include "nn/linear.h"

#include "hlo/composite.h"

namespace ganglion::nn {

hlo::Value sum_over_ranks(const Scope& scope, hlo::Value x) {
  if (scope.tp() == 1) return x;
  return hlo::all_reduce(x, scope.builder().binary_computation(hlo::Opcode::kAdd, x.dtype()));
}

hlo::Value linear(const Scope& scope, const LinearOptions& options, hlo::Value x) {
  Weights& weights = scope.weights();
  const Matrix weight = weights.matrix(scope.name("weight"), options.out, options.in, options.split);
  hlo::Value bias;
  if (options.bias) bias = weights.vector(scope.name("bias"), options.out, options.split);
  const hlo::Value y = weight.multiply(x, bias);
  return options.split == Split::kRows ? sum_over_ranks(scope, y) : y;
}

hlo::Value layer_norm(const Scope& scope, const NormOptions& options, hlo::Value x) {
  Weights& weights = scope.weights();
  const auto declare = [&](const char* leaf, bool stored, double otherwise) {
    return stored ? weights.vector(scope.name(leaf), options.size, Split::kReplicated)
                  : weights.constant_vector(scope.name(leaf), options.size, otherwise);
  };
  const hlo::Value weight = declare("weight", options.affine, 1);
  const hlo::Value bias = declare("bias", options.affine && options.bias, 0);
  return hlo::layer_norm(x, weight, bias, options.epsilon);
}

}  // namespace ganglion::nn
