// Linear layers and norms with their weights.
#pragma once

#include <cstdint>

#include "hlo/builder.h"
#include "nn/weights.h"

namespace ganglion::nn {

struct LinearOptions {
  std::int64_t in = 0;  // of the whole layer, all ranks together
  std::int64_t out = 0;
  Split split = Split::kReplicated;
  bool bias = true;
  int copies = 1;  // see MatrixOptions
  Stored stored = {};
};

// x f32[R, in] (kRows: the rank's part of it) to f32[R, out] (kColumns: the rank's part). Declares "weight" and, when
// asked, "bias" of the scope. With kRows and more than one rank an all-reduce follows, so that every rank has the sum.
hlo::Value linear(const Scope& scope, const LinearOptions& options, hlo::Value x);

struct NormOptions {
  std::int64_t size = 0;
  float epsilon = 1e-5f;
  bool affine = true;  // the checkpoint has "weight" and "bias"; otherwise they are 1 and 0
  bool bias = true;    // with affine: the checkpoint has "bias"
};

// Layer norm of x f32[R, size].
hlo::Value layer_norm(const Scope& scope, const NormOptions& options, hlo::Value x);

// x / rms(x) * "weight" of x f32[R, size].
hlo::Value rms_norm(const Scope& scope, std::int64_t size, float epsilon, hlo::Value x);

// The sum over ranks of f32 of any shape, on every rank; x itself when there is one rank.
hlo::Value sum_over_ranks(const Scope& scope, hlo::Value x);

}  // namespace ganglion::nn
