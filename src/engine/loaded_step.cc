#include "engine/loaded_step.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/thread_pool.h"
#include "checkpoint/packed_cache.h"
#include "models/registry.h"
#include "planner/memory.h"
#include "planner/weight_kind.h"

namespace ganglion::engine {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::int64_t positions_of(const models::Config& config, const EngineOptions& options) {
  return options.n_positions > 0 ? options.n_positions : config.max_positions;
}

models::StepSize size_of(const models::Config& config, const EngineOptions& options) {
  const std::int64_t positions = positions_of(config, options);
  models::StepSize size;
  size.sequences = size.logit_rows = options.max_sequences;
  // A step never has more tokens than all sequences together have positions.
  size.tokens = std::max(options.max_sequences, std::min(options.max_batch_tokens, options.max_sequences * positions));
  size.block_size = options.block_size;
  size.max_blocks = planner::blocks_for(positions, options.block_size);
  const std::int64_t most = size.max_blocks * options.max_sequences;
  size.blocks =
      options.cache_tokens > 0 ? std::min(most, planner::blocks_for(options.cache_tokens, options.block_size)) : most;
  return size;
}

planner::Plan plan_of(const models::Config& config, const models::StepSize& size, const EngineOptions& options,
                      const runtime::Executable& executable, const std::vector<models::WeightBinding>& weights) {
  planner::Plan plan;
  plan.ranks = options.tp;
  plan.positions = positions_of(config, options);
  plan.block_size = size.block_size;
  plan.blocks = size.blocks;
  std::unordered_map<std::int64_t, std::string_view> names;
  for (const models::WeightBinding& weight : weights) names.emplace(weight.parameter, weight.name);
  for (const runtime::StoredWeight& weight : executable.stored_weights()) {
    planner::WeightKind kind = planner::weight_kind(names.at(weight.parameter));
    // A tied table is kept once, packed, and is the head's.
    if (kind == planner::WeightKind::kEmbedding && weight.packed) kind = planner::WeightKind::kHead;
    plan.all.weights_of[static_cast<std::size_t>(kind)] += weight.bytes * weight.copies;
    plan.core.weights_of[static_cast<std::size_t>(kind)] += weight.bytes;
  }
  // The engine's own room for logits.
  const std::int64_t logits = size.logit_rows * config.vocab * static_cast<std::int64_t>(sizeof(float));
  const auto add = [&](planner::Sums& sums, const runtime::Footprint& footprint) {
    sums.kv_cache = footprint.state;
    sums.activations = footprint.activations + logits;
    sums.program = footprint.program;
    GANGLION_CHECK(sums.weights() == footprint.weights);
  };
  add(plan.all, executable.footprint());
  add(plan.core, executable.footprint_of_rank());
  plan.bytes_per_position = plan.all.kv_cache / (size.blocks * size.block_size);
  return plan;
}

// How long reading takes, of all threads together.
struct ReadTime {
  std::atomic<std::int64_t> nanoseconds = 0;
};

class TimedSource final : public TensorSource {
 public:
  TimedSource(std::shared_ptr<const TensorSource> source, ReadTime& time) : source_(std::move(source)), time_(time) {}
  DType dtype() const override { return source_->dtype(); }
  const Dims& dims() const override { return source_->dims(); }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    const auto start = Clock::now();
    source_->read_rows(begin, end, out);
    time_.nanoseconds += (Clock::now() - start).count();
  }
  bool with_rows(std::int64_t begin, std::int64_t end,
                 const std::function<void(const std::byte*)>& work) const override {
    return source_->with_rows(begin, end, work);
  }

 private:
  std::shared_ptr<const TensorSource> source_;
  ReadTime& time_;
};

// Each source is let go once it has been read: it may hold memory (checkpoint/quantize.h).
void load_weights(std::vector<models::WeightBinding> weights, const EngineOptions& options,
                  runtime::Executable& executable, LoadReport& report) {
  const auto start = Clock::now();
  ReadTime time;
  std::vector<runtime::WeightSources> timed;
  for (models::WeightBinding& weight : weights) {
    timed.push_back({weight.parameter, {}});
    for (auto& source : std::exchange(weight.per_rank, {}))
      timed.back().per_rank.push_back(std::make_shared<TimedSource>(std::move(source), time));
  }
  LoadProgress progress;
  progress.total = executable.footprint().weights;
  executable.load_weights(std::move(timed), [&](std::int64_t done) {
    progress.done = done;
    progress.seconds = seconds_since(start);
    if (options.on_progress) options.on_progress(progress);
  });
  const int threads = options.pool == nullptr ? 1 : options.pool->threads();
  report.read_seconds = static_cast<double>(time.nanoseconds) / 1e9 / threads;
  report.pack_seconds = std::max(0.0, seconds_since(start) - report.read_seconds);
}

}  // namespace

std::int64_t memory_for(const EngineOptions& options) {
  return options.memory_bytes > 0 ? options.memory_bytes : planner::available_memory();
}

PlannedStep plan_step(const models::Config& config, const models::WeightFinder& weights, const EngineOptions& options) {
  const models::Family& family = models::find_family(config.model_type);
  models::check_tp(config, options.tp);
  PlannedStep out;
  out.size = size_of(config, options);
  const auto compile = [&] {
    auto start = Clock::now();
    models::Step step = family.build(config, {.types = options.types, .size = out.size, .tp = options.tp}, weights);
    out.build_seconds += seconds_since(start);
    out.wants_lengths = step.wants_lengths;
    start = Clock::now();
    out.executable = runtime::compile_for_cpu(std::move(step.module),
                                              {.ranks = options.tp, .isa = options.isa, .pool = options.pool});
    out.weights = std::move(step.weights);
    out.plan = plan_of(config, out.size, options, *out.executable, out.weights);
    out.compile_seconds += seconds_since(start);
  };
  compile();
  if (options.cache_tokens > 0) return out;
  const std::int64_t fitting = planner::blocks_that_fit(out.plan, out.size.blocks, memory_for(options));
  if (fitting < out.size.blocks && out.size.blocks > out.size.max_blocks) {
    out.size.blocks = std::max(fitting, out.size.max_blocks);
    compile();
  }
  return out;
}

LoadedStep load_step(const models::Config& config, const models::WeightFinder& weights, const EngineOptions& options) {
  PlannedStep planned = plan_step(config, weights, options);
  planner::check_fits(planned.plan, memory_for(options), config.model_type);
  LoadedStep out;
  out.size = planned.size;
  out.wants_lengths = planned.wants_lengths;
  out.plan = planned.plan;
  out.executable = std::move(planned.executable);
  out.report.phases = {{"graph", planned.build_seconds}, {"compile", planned.compile_seconds}};

  auto start = Clock::now();
  const checkpoint::PackedCache* cache = options.packed_weights;
  const std::string layout = cache == nullptr ? "" : out.executable->weight_layout();
  if (cache != nullptr && cache->load(layout, out.executable->weight_image())) {
    out.executable->weights_are_in_image();
    out.report.from_cache = true;
  } else {
    load_weights(std::move(planned.weights), options, *out.executable, out.report);
  }
  out.report.phases.push_back({"weights", seconds_since(start), out.plan.all.weights()});
  if (cache != nullptr && !out.report.from_cache) {
    start = Clock::now();
    const bool stored = cache->store(layout, out.executable->weight_image());
    out.report.phases.push_back({"weight cache", seconds_since(start), stored ? out.plan.all.weights() : 0});
  }
  start = Clock::now();
  out.executable->prepare();
  out.report.phases.push_back({"warm", seconds_since(start)});
  return out;
}

}  // namespace ganglion::engine
