// A decoder's step compiled, with its weights loaded and its cache sized to the memory there is.
#pragma once

#include <memory>

#include "engine/engine.h"
#include "models/config.h"
#include "models/step.h"
#include "planner/plan.h"
#include "runtime/executable.h"

namespace ganglion::engine {

struct LoadedStep {
  models::StepSize size;
  bool wants_lengths = false;  // see models::Step
  planner::Plan plan;
  std::unique_ptr<runtime::Executable> executable;
  double compile_seconds = 0;
  double weights_seconds = 0;
};

// Builds and compiles for the CPU, checks that everything fits before anything large is allocated, loads the weights.
// When options.cache_tokens is 0 the cache takes what it can use and what fits, at least one sequence of n_positions.
// Errors: what the builder, the compiler and the weights throw; kResourceExhausted with the sum.
LoadedStep load_step(const models::Config& config, const models::WeightFinder& weights, const EngineOptions& options);

}  // namespace ganglion::engine
