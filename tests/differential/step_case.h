// A decoder's step with seeded random weights and the inputs of a small batch, for tests that run it in two ways.
#pragma once

#include <vector>

#include "models/config.h"
#include "models/step.h"
#include "tests/differential/backend_pair.h"

namespace ganglion::differential {

struct StepCase {
  models::Step step;
  std::vector<Arguments> arguments;  // by rank
};

// Eight tokens of three sequences: a prompt of 5, a decode at position 17 (over a block's end), a prompt of 2. When
// `bounded` the step could take 32 tokens and 7 rows of logits.
StepCase step_case(const models::Config& config, bool bounded, int tp, DType storage = DType::kF32);

}  // namespace ganglion::differential
