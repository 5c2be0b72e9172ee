#include "engine/speed_metrics.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/thread_pool.h"

namespace ganglion::engine {
namespace {

constexpr std::size_t kMostMeasured = std::size_t{1} << 30;
constexpr int kRepeats = 3;
constexpr std::int64_t kRounds = 500'000;
// What a step still counts for after the next one: half of the ratios is of the last 14 steps.
constexpr double kKept = 0.95;

metrics::Labels with(metrics::Labels labels, const metrics::Labels& more) {
  labels.insert(more.begin(), more.end());
  return labels;
}

}  // namespace

SpeedMetrics::SpeedMetrics(metrics::Registry& registry, const metrics::Labels& labels,
                           const std::vector<runtime::StepInfo>& steps, const runtime::Limits& limits)
    : bandwidth_(limits.bandwidth) {
  for (int p = 0; p < kStepPhases; ++p) {
    const auto phase = with(labels, {{"phase", std::string(step_phase_name(static_cast<StepPhase>(p)))}});
    phases_.push_back(
        {.bytes = registry.counter("ganglion_phase_bytes_total", "Bytes that steps had to read and write", phase),
         .flops = registry.counter("ganglion_phase_flops_total", "Floating-point operations of steps", phase),
         .seconds = registry.counter("ganglion_phase_seconds_total", "Time of steps in kernels", phase),
         .bandwidth_ratio =
             registry.gauge("ganglion_phase_bandwidth_ratio",
                            "Bytes per second of recent steps over ganglion_peak_bytes_per_second", phase),
         .arithmetic_ratio = registry.gauge(
             "ganglion_phase_arithmetic_ratio",
             "FLOPs per second of recent steps over ganglion_peak_flops_per_second of what runs them", phase)});
  }
  registry
      .gauge("ganglion_peak_bytes_per_second",
             "Read bandwidth of the weights of this model, measured when it was loaded", labels)
      .set(limits.bandwidth);
  const auto set_peak = [&](const char* unit, double flops) {
    if (flops <= 0) return;
    registry
        .gauge("ganglion_peak_flops_per_second",
               "Arithmetic that the machine can do, measured when the model was loaded", with(labels, {{"unit", unit}}))
        .set(flops);
  };
  set_peak("f32", limits.peak_flops);
  set_peak("tiles", limits.tile_flops);
  set_peak("s8", limits.whole_flops);
  set_peak("s8_tiles", limits.whole_tile_flops);

  std::map<metrics::Labels, int> matmuls;
  std::vector<std::pair<std::string, std::string>> names;  // of kernels_: isa, storage
  for (const runtime::StepInfo& step : steps) {
    if (step.kind != "matmul") {
      const double peak = limits.flops_of(step.isa, step.storage);
      auto alike = std::find_if(others_.begin(), others_.end(), [=](const Others& o) { return o.peak_flops == peak; });
      if (alike == others_.end()) alike = others_.insert(others_.end(), {.peak_flops = peak, .work = {}});
      program::add_work(alike->work, step.work);
      continue;
    }
    const metrics::Labels kernel = with(labels, {{"isa", step.isa}, {"storage", step.storage}});
    ++matmuls[with(kernel, {{"n", std::to_string(step.n)}, {"k", std::to_string(step.k)}})];
    const std::pair name(step.isa, step.storage);
    auto known = std::find(names.begin(), names.end(), name);
    if (known == names.end()) {
      kernels_.push_back(
          {.bytes = registry.counter("ganglion_matmul_bytes_total", "Bytes that matmuls had to read and write", kernel),
           .flops = registry.counter("ganglion_matmul_flops_total", "Floating-point operations of matmuls", kernel),
           .peak_flops = limits.flops_of(step.isa, step.storage),
           .work = {}});
      known = names.insert(names.end(), name);
    }
    program::add_work(kernels_[static_cast<std::size_t>(known - names.begin())].work, step.work);
  }
  for (const auto& [kernel, count] : matmuls) {
    registry
        .gauge("ganglion_matmul_kernel",
               "How many matmuls of these n and k a step of the model has, by the kernel that runs them", kernel)
        .set(count);
  }
}

void SpeedMetrics::ran(StepPhase phase, const program::RunSizes& sizes, double seconds) {
  if (seconds <= 0) return;
  program::Work all;
  double limit_seconds = 0;  // that the arithmetic takes at the least
  for (const Others& others : others_) {
    const program::Work work = program::work_at(others.work, sizes);
    limit_seconds += work.flops / others.peak_flops;
    all += work;
  }
  for (const Kernel& kernel : kernels_) {
    const program::Work work = program::work_at(kernel.work, sizes);
    kernel.bytes.add(work.bytes);
    kernel.flops.add(work.flops);
    limit_seconds += work.flops / kernel.peak_flops;
    all += work;
  }
  Phase& sums = phases_[static_cast<std::size_t>(phase)];
  sums.bytes.add(all.bytes);
  sums.flops.add(all.flops);
  sums.seconds.add(seconds);
  const auto follow = [](double& recent, double now) { recent = kKept * recent + now; };
  follow(sums.recent_bytes, all.bytes);
  follow(sums.recent_limit_seconds, limit_seconds);
  follow(sums.recent_seconds, seconds);
  if (bandwidth_ > 0) sums.bandwidth_ratio.set(sums.recent_bytes / sums.recent_seconds / bandwidth_);
  sums.arithmetic_ratio.set(sums.recent_limit_seconds / sums.recent_seconds);
}

runtime::Limits measure_limits_of(runtime::Executable& executable, ThreadPool* pool) {
  const std::span<std::byte> weights = executable.weight_image();
  ThreadPool alone(1);
  return runtime::measure_limits(pool == nullptr ? alone : *pool,
                                 weights.first(std::min(weights.size(), kMostMeasured)), kRepeats, kRounds);
}

}  // namespace ganglion::engine
