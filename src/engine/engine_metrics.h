// The engine's counts for Prometheus, all labelled with the model.
#pragma once

#include <string>

#include "engine/engine.h"
#include "metrics/registry.h"

namespace ganglion::engine {

class EngineMetrics {
 public:
  EngineMetrics(metrics::Registry& registry, const std::string& model);

  metrics::Counter requests;
  metrics::Histogram first_token_seconds, inter_token_seconds;

  // Brings all that EngineStats counts up to date; step_seconds is 0 when there was no step.
  void follow(const EngineStats& stats, double step_seconds);

 private:
  EngineMetrics(metrics::Registry& registry, const metrics::Labels& labels);

  metrics::Counter prompt_tokens_, new_tokens_, computed_tokens_, useful_tokens_, steps_, preemptions_, prefix_hits_,
      prefix_misses_, prefix_tokens_saved_;
  metrics::Gauge running_, waiting_, preempted_, blocks_used_, blocks_cached_, blocks_free_, blocks_;
  metrics::Histogram step_seconds_;
  EngineStats before_;
};

}  // namespace ganglion::engine
