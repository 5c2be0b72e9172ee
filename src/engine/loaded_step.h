// A decoder's step compiled, with its weights loaded and its cache sized to the memory there is.
#pragma once

#include <memory>
#include <vector>

#include "engine/engine.h"
#include "engine/load_report.h"
#include "models/config.h"
#include "models/step.h"
#include "planner/plan.h"
#include "runtime/executable.h"

namespace ganglion::engine {

// A step compiled for the CPU, with nothing large allocated yet.
struct PlannedStep {
  models::StepSize size;
  bool wants_lengths = false;  // see models::Step
  planner::Plan plan;
  std::unique_ptr<runtime::Executable> executable;
  std::vector<models::WeightBinding> weights;
  double build_seconds = 0;  // of the graph
  double compile_seconds = 0;
};

struct LoadedStep {
  models::StepSize size;
  bool wants_lengths = false;  // see models::Step
  planner::Plan plan;
  std::unique_ptr<runtime::Executable> executable;
  LoadReport report;  // graph, compile, weights, warm
};

// Memory the model may take: options.memory_bytes, or what the machine has free.
std::int64_t memory_for(const EngineOptions& options);

// Builds and compiles, and adds up what it will take, whether it fits or not. When options.cache_tokens is 0 the cache
// takes what it can use and what fits, at least one sequence of n_positions. Errors: what the builder and the compiler
// throw.
PlannedStep plan_step(const models::Config& config, const models::WeightFinder& weights, const EngineOptions& options);

// plan_step, refused with the sum (kResourceExhausted) when it does not fit; then the weights, whose errors are the
// sources'.
LoadedStep load_step(const models::Config& config, const models::WeightFinder& weights, const EngineOptions& options);

}  // namespace ganglion::engine
