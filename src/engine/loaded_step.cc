#include "engine/loaded_step.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "models/registry.h"
#include "planner/memory.h"

namespace ganglion::engine {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

models::StepSize size_of(const models::Config& config, const EngineOptions& options) {
  const std::int64_t positions = options.n_positions > 0 ? options.n_positions : config.max_positions;
  models::StepSize size;
  size.sequences = size.logit_rows = options.max_sequences;
  // A step never has more tokens than all sequences together have positions.
  size.tokens = std::max(options.max_sequences, std::min(options.max_batch_tokens, options.max_sequences * positions));
  size.block_size = options.block_size;
  size.max_blocks = divide_up(positions, options.block_size);
  const std::int64_t most = size.max_blocks * options.max_sequences;
  size.blocks = options.cache_tokens > 0 ? std::min(most, divide_up(options.cache_tokens, options.block_size)) : most;
  return size;
}

planner::Plan plan_of(const runtime::Executable& executable, int ranks) {
  const runtime::Footprint footprint = executable.footprint();
  planner::Plan plan;
  plan.weights = footprint.weights;
  plan.kv_cache = footprint.state;
  plan.activations = footprint.activations;
  plan.program = footprint.program;
  plan.ranks = ranks;
  return plan;
}

}  // namespace

LoadedStep load_step(const models::Config& config, const models::WeightFinder& weights, const EngineOptions& options) {
  const models::Family& family = models::find_family(config.model_type);
  models::check_tp(config, options.tp);
  const std::int64_t memory = options.memory_bytes > 0 ? options.memory_bytes : planner::available_memory();

  LoadedStep out;
  out.size = size_of(config, options);
  models::Step step;
  const auto compile = [&] {
    const auto start = Clock::now();
    step = family.build(config, {.types = options.types, .size = out.size, .tp = options.tp}, weights);
    out.wants_lengths = step.wants_lengths;
    out.executable = runtime::compile_for_cpu(std::move(step.module),
                                              {.ranks = options.tp, .isa = options.isa, .pool = options.pool});
    out.plan = plan_of(*out.executable, options.tp);
    out.compile_seconds += seconds_since(start);
  };
  compile();
  if (out.plan.total() > memory && options.cache_tokens == 0) {
    const std::int64_t per_block =
        planner::cache_bytes_per_token(config, options.types.kv, options.tp) * options.block_size;
    const std::int64_t fitting = planner::blocks_that_fit(out.plan, per_block, out.size.blocks, memory);
    out.size.blocks = std::max(fitting, out.size.max_blocks);
    compile();
  }
  planner::check_fits(out.plan, memory, config.model_type);

  const auto start = Clock::now();
  for (const models::WeightBinding& weight : step.weights)
    out.executable->load_weight(weight.parameter, weight.per_rank);
  out.weights_seconds = seconds_since(start);
  return out;
}

}  // namespace ganglion::engine
