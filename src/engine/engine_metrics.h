// The engine's counters for Prometheus, all labelled with the model.
#pragma once

#include <memory>
#include <string>

#include "metrics/registry.h"

namespace ganglion::engine {

struct EngineMetrics {
  metrics::Counter requests, prompt_tokens, new_tokens, steps;
  metrics::Gauge running, waiting, cache_blocks_used, cache_blocks;
  metrics::Histogram first_token_seconds, inter_token_seconds, step_seconds;

  static EngineMetrics in(metrics::Registry& registry, const std::string& model) {
    const metrics::Labels labels = {{"model", model}};
    return {registry.counter("ganglion_requests_total", "Requests accepted", labels),
            registry.counter("ganglion_prompt_tokens_total", "Prompt tokens computed", labels),
            registry.counter("ganglion_new_tokens_total", "Tokens generated", labels),
            registry.counter("ganglion_steps_total", "Steps run", labels),
            registry.gauge("ganglion_running_requests", "Requests that hold cache blocks", labels),
            registry.gauge("ganglion_waiting_requests", "Requests in the queue", labels),
            registry.gauge("ganglion_kv_blocks_used", "Blocks of the KV cache in use", labels),
            registry.gauge("ganglion_kv_blocks", "Blocks of the KV cache in all", labels),
            registry.histogram("ganglion_first_token_seconds", "From the request to its first token", labels),
            registry.histogram("ganglion_inter_token_seconds", "Between two tokens of a request", labels),
            registry.histogram("ganglion_step_seconds", "Time of one step", labels)};
  }
};

}  // namespace ganglion::engine
