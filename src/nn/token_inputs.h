// Which tokens a step has.
#pragma once

#include <cstdint>

#include "hlo/builder.h"

namespace ganglion::nn {

// The inputs of models/step.h that positions and attention are made of.
struct TokenInputs {
  hlo::Value position;            // s32[T]
  hlo::Value sequence;            // s32[T]
  hlo::Value slot;                // s32[T]
  hlo::Value block_table;         // s32[S, max_blocks]
  hlo::Value length;              // s32[T], of steps that ask for it
  std::int64_t query_length = 0;  // see hlo::AttentionOptions
};

}  // namespace ganglion::nn
