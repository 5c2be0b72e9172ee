#include "engine/engine_metrics.h"

namespace ganglion::engine {

EngineMetrics::EngineMetrics(metrics::Registry& registry, const std::string& model)
    : EngineMetrics(registry, metrics::Labels{{"model", model}}) {}

EngineMetrics::EngineMetrics(metrics::Registry& registry, const metrics::Labels& labels)
    : requests(registry.counter("ganglion_requests_total", "Requests accepted", labels)),
      first_token_seconds(
          registry.histogram("ganglion_first_token_seconds", "From the request to its first token", labels)),
      inter_token_seconds(
          registry.histogram("ganglion_inter_token_seconds", "Between two tokens of a request", labels)),
      prompt_tokens_(registry.counter("ganglion_prompt_tokens_total", "Prompt tokens computed", labels)),
      new_tokens_(registry.counter("ganglion_new_tokens_total", "Tokens generated", labels)),
      computed_tokens_(registry.counter("ganglion_computed_tokens_total", "Tokens run through the model", labels)),
      useful_tokens_(registry.counter("ganglion_useful_tokens_total",
                                      "Tokens run through the model for the first time in their request", labels)),
      steps_(registry.counter("ganglion_steps_total", "Steps run", labels)),
      preemptions_(registry.counter("ganglion_preemptions_total",
                                    "Times that a request lost its cache blocks to an older one", labels)),
      prefix_hits_(
          registry.counter("ganglion_prefix_cache_hits_total", "Full blocks of prompts that were cached", labels)),
      prefix_misses_(registry.counter("ganglion_prefix_cache_misses_total",
                                      "Full blocks of prompts that were not cached", labels)),
      prefix_tokens_saved_(registry.counter("ganglion_prefix_tokens_saved_total",
                                            "Prompt tokens that were cached and not computed", labels)),
      running_(registry.gauge("ganglion_running_requests", "Requests that hold cache blocks", labels)),
      waiting_(registry.gauge("ganglion_waiting_requests", "Requests in the queue", labels)),
      preempted_(registry.gauge("ganglion_preempted_requests", "Requests in the queue that ran before", labels)),
      blocks_used_(registry.gauge("ganglion_kv_blocks_used", "Blocks of the KV cache in use", labels)),
      blocks_cached_(registry.gauge("ganglion_kv_blocks_cached",
                                    "Blocks of the KV cache that no request uses, kept for the next", labels)),
      blocks_free_(registry.gauge("ganglion_kv_blocks_free", "Blocks of the KV cache with nothing in them", labels)),
      blocks_(registry.gauge("ganglion_kv_blocks", "Blocks of the KV cache in all", labels)),
      step_seconds_(registry.histogram("ganglion_step_seconds", "Time of one step", labels)) {}

void EngineMetrics::follow(const EngineStats& stats, double step_seconds) {
  const auto add = [&](const metrics::Counter& counter, std::int64_t EngineStats::*count) {
    if (stats.*count != before_.*count) counter.add(static_cast<double>(stats.*count - before_.*count));
  };
  add(prompt_tokens_, &EngineStats::prompt_tokens);
  add(new_tokens_, &EngineStats::new_tokens);
  add(computed_tokens_, &EngineStats::computed_tokens);
  add(useful_tokens_, &EngineStats::useful_tokens);
  add(steps_, &EngineStats::steps);
  add(preemptions_, &EngineStats::preemptions);
  add(prefix_hits_, &EngineStats::prefix_hits);
  add(prefix_misses_, &EngineStats::prefix_misses);
  add(prefix_tokens_saved_, &EngineStats::prefix_tokens_saved);
  running_.set(static_cast<double>(stats.running));
  waiting_.set(static_cast<double>(stats.waiting));
  preempted_.set(static_cast<double>(stats.preempted));
  blocks_used_.set(static_cast<double>(stats.total_blocks - stats.free_blocks - stats.cached_blocks));
  blocks_cached_.set(static_cast<double>(stats.cached_blocks));
  blocks_free_.set(static_cast<double>(stats.free_blocks));
  blocks_.set(static_cast<double>(stats.total_blocks));
  if (step_seconds > 0) step_seconds_.observe(step_seconds);
  before_ = stats;
}

}  // namespace ganglion::engine
