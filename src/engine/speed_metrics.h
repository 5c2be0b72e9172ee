// How near the steps come to the limits of the machine, for Prometheus: bytes, FLOPs and seconds by phase, the limits,
// and which kernel runs which matmul. decisions/speed-metrics.md says what is measured when.
#pragma once

#include <array>
#include <vector>

#include "engine/step_phase.h"
#include "metrics/registry.h"
#include "runtime/executable.h"
#include "runtime/limits.h"

namespace ganglion::engine {

class SpeedMetrics {
 public:
  SpeedMetrics(metrics::Registry& registry, const metrics::Labels& labels, const std::vector<runtime::StepInfo>& steps,
               const runtime::Limits& limits);

  // One run of the executable.
  void ran(StepPhase phase, const program::RunSizes& sizes, double seconds);

 private:
  struct Phase {
    metrics::Counter bytes, flops, seconds;
    metrics::Gauge bandwidth_ratio, arithmetic_ratio;
    // Sums that forget: of the last steps mostly.
    double recent_bytes = 0, recent_limit_seconds = 0, recent_seconds = 0;
  };
  // The matmuls of one kernel.
  struct Kernel {
    metrics::Counter bytes, flops;
    double peak_flops = 0;
    std::vector<program::SizedWork> work;
  };

  double bandwidth_;
  std::vector<Phase> phases_;
  std::vector<Kernel> kernels_;
  // What is no matmul, by what it could reach: attention may be on tiles.
  struct Others {
    double peak_flops = 0;
    std::vector<program::SizedWork> work;
  };
  std::vector<Others> others_;
};

// The limits as a model meets them: the read bandwidth is that of its own weights, of which at most a GiB is read.
// Takes tenths of a second; nothing else should run meanwhile. Without a pool: of this thread.
runtime::Limits measure_limits_of(runtime::Executable& executable, ThreadPool* pool);

}  // namespace ganglion::engine
