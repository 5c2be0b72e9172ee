// What every family's step has in common: the inputs of step.h, the caches, the weights, the results. A family puts its
// layers between construction and finish().
#pragma once

#include <cstdint>

#include "hlo/builder.h"
#include "models/registry.h"
#include "models/step.h"
#include "nn/attention.h"
#include "nn/weights.h"

namespace ganglion::models {

class StepFrame {
 public:
  // Declares the inputs. Errors: as check_tp; kUnsupported for types that are not to be had; kInvalidArgument for sizes
  // below 1. `finder` must outlive the frame.
  StepFrame(const Config& config, const StepOptions& options, const WeightFinder& finder);

  hlo::Builder& builder() { return builder_; }
  nn::Weights& weights() { return weights_; }
  nn::Caches& caches() { return caches_; }
  hlo::Value token_ids() const { return token_ids_; }  // s32[T]
  const nn::TokenInputs& tokens() const { return tokens_; }

  // The rows of x f32[T, d] whose logits are wanted: f32[R, d].
  hlo::Value wanted_rows(hlo::Value x) const;
  // The finished step; the frame is empty afterwards. logits f32[R, vocab].
  Step finish(hlo::Value logits);

 private:
  hlo::Builder builder_;
  nn::Weights weights_;
  nn::Caches caches_;
  hlo::Value token_ids_;
  nn::TokenInputs tokens_;
  hlo::Value logit_rows_;
};

}  // namespace ganglion::models
