// Runs requests against one model: a bounded queue, continuous batching over a paged KV cache, sampling, delivery token
// by token. One thread of its own makes steps; submit() and cancel() may be called from any thread. What a request gets
// depends on its prompt, parameters and seed only, never on what else is in the batch.
#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/load_report.h"
#include "models/config.h"
#include "models/step.h"

namespace ganglion {
class ThreadPool;
}
namespace ganglion::checkpoint {
class PackedCache;
}
namespace ganglion::metrics {
class Registry;
}
namespace ganglion::runtime {
struct Recorder;
}

namespace ganglion::engine {

struct Sampling {
  bool greedy = true;
  double temperature = 1.0;                          // > 0
  std::int64_t top_k = 0;                            // 0: all
  double top_p = 1.0;                                // (0, 1]
  std::optional<std::uint64_t> seed = std::nullopt;  // none: a fresh random one
  bool suppress_eos = false;  // sample() of transformers-neuronx: end-of-text gets -inf at every step
};

enum class FinishReason : std::uint8_t { kNone, kLength, kEos, kCancelled, kError };

struct TokenEvent {
  std::int32_t id = -1;  // -1 when the event only ends the request (cancelled, error)
  float log_prob = 0;    // of the token under the model's distribution (temperature 1, nothing cut)
  FinishReason finish = FinishReason::kNone;
  std::exception_ptr error;       // with kError
  const float* logits = nullptr;  // [vocab], only when the request asked, only during the call
};

struct Request {
  std::vector<std::int32_t> prompt;  // at least 1 token
  std::int64_t max_new_tokens = 0;   // at least 1
  Sampling sampling;
  std::vector<std::int32_t> stop_ids;  // generation ends with the first of these (delivered, kEos); empty: length only
  bool want_logits = false;
  // Requests with equal salts share what is cached of equal beginnings, others do not: one salt for each tenant that is
  // not to learn from its waiting time what another has asked. Changes no token.
  std::string cache_salt = {};
  // Called on the engine thread for every new token, in order; the last event has finish != kNone, and nothing follows
  // it. Must not block or throw.
  std::function<void(const TokenEvent&)> on_token;
};

struct EngineOptions {
  models::Types types;
  int tp = 1;
  std::int64_t n_positions = 0;         // most tokens of one sequence; 0: the model's max_positions
  std::int64_t max_sequences = 32;      // running at once
  std::int64_t max_batch_tokens = 512;  // token budget of one step
  std::int64_t queue_capacity = 1000;   // waiting requests; more are refused
  std::int64_t block_size = 32;
  bool prefix_cache = true;       // what was computed of a prompt's beginning serves other requests
  std::int64_t cache_tokens = 0;  // positions of KV cache in all; 0: max_sequences * n_positions within memory
  std::int64_t memory_bytes = 0;  // the model may take; 0: what the machine has free
  std::string isa = {};
  std::filesystem::path weight_cache = {};  // folder of packed weights, for load_model; "": none
  std::uint64_t weight_cache_bytes = 0;     // most that it may hold; 0: any number
  bool needs_tokenizer = true;  // false: load_model takes a folder without one, and Model::tokenizer may be nullptr
  const checkpoint::PackedCache* packed_weights = nullptr;  // of this checkpoint; used by the constructor only
  OnProgress on_progress = {};                              // while weights are loaded; may be empty
  ThreadPool* pool = nullptr;                               // not owned; shared by the models of a process
  metrics::Registry* metrics = nullptr;                     // may be null
  std::string metric_model = {};                            // label of this engine's metrics
  // What happens when is written down here (not owned; read it when the engine is gone). Null: nothing is.
  runtime::Recorder* recorder = nullptr;
};

// Counts since the start, for metrics, tests and bench.
struct EngineStats {
  std::int64_t steps = 0;
  std::int64_t prompt_tokens = 0;  // computed; again after a preemption
  std::int64_t new_tokens = 0;
  std::int64_t computed_tokens = 0;  // of prompts and answers
  std::int64_t useful_tokens = 0;    // of these, not computed again after a preemption
  std::int64_t preemptions = 0;
  std::int64_t prefix_hits = 0;          // full blocks of prompts that were cached
  std::int64_t prefix_misses = 0;        // that were not
  std::int64_t prefix_tokens_saved = 0;  // in the hits
  // Now.
  std::int64_t running = 0;
  std::int64_t waiting = 0;    // the preempted among them
  std::int64_t preempted = 0;  // have run, and wait to go on
  std::int64_t free_blocks = 0;
  std::int64_t cached_blocks = 0;  // read by no request, kept for the next; as good as free
  std::int64_t total_blocks = 0;
  double step_seconds = 0;    // in steps, all
  double kernel_seconds = 0;  // of these, in the executable
};

class Engine {
 public:
  // Builds, compiles, loads weights, starts the thread. Errors: what the parts throw; kResourceExhausted with the sum
  // when the model does not fit (before loading).
  Engine(const models::Config& config, const models::WeightFinder& weights, const EngineOptions& options);
  ~Engine();  // cancels what is running; every request gets its last event
  Engine(const Engine&) = delete;

  using RequestId = std::uint64_t;
  // Queues a request. kInvalidArgument when it can never run (empty prompt, a token id outside the vocabulary, prompt +
  // new tokens over n_positions or over the cache, parameters out of range); kUnavailable when the queue is full.
  RequestId submit(Request request);
  // Ends a request before the next step (event kCancelled); nothing happens when it has ended.
  void cancel(RequestId id);
  // No new requests (kUnavailable); returns when all running ones have ended or the deadline passed (then they are
  // cancelled).
  void drain(double deadline_seconds);

  // Of the constructor: graph, compile, weights, warm.
  const LoadReport& load_report() const noexcept;
  std::int64_t n_positions() const noexcept;
  EngineStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ganglion::engine
