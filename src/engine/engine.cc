#include "engine/engine.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "engine/engine_metrics.h"
#include "engine/loaded_step.h"
#include "engine/not_finite.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/speed_metrics.h"
#include "engine/step_inputs.h"

namespace ganglion::engine {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

std::uint64_t fresh_seed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

// False when the callback threw, which it must not; the request is then as good as gone.
bool deliver(const Sequence& sequence, const TokenEvent& event) noexcept {
  try {
    sequence.request.on_token(event);
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

// What both sides touch is under `mutex`; the rest belongs to the engine thread.
struct Engine::Impl {
  Impl(const models::Config& model_config, const models::WeightFinder& weights, const EngineOptions& engine_options)
      : config(model_config),
        options(engine_options),
        loaded(load_step(config, weights, options)),
        scheduler({.max_sequences = loaded.size.sequences,
                   .max_batch_tokens = loaded.size.tokens,
                   .block_size = loaded.size.block_size,
                   .blocks = loaded.size.blocks,
                   .share_prefixes = options.prefix_cache}),
        inputs(loaded.size, loaded.wants_lengths),
        logits(DType::kF32, {loaded.size.logit_rows, config.vocab}) {
    if (options.metrics != nullptr) {
      metrics.emplace(*options.metrics, options.metric_model);
      const auto start = Clock::now();
      const runtime::Limits limits = measure_limits_of(*loaded.executable, options.pool);
      speed.emplace(*options.metrics, metrics::Labels{{"model", options.metric_model}}, loaded.executable->steps(),
                    limits);
      loaded.report.phases.push_back({"limits", seconds_between(start, Clock::now())});
    }
    results = {{logits.mutable_view()}};
    loaded.executable->record(options.recorder);
    publish(0, 0);
    thread = std::thread([this] { run(); });
    pthread_setname_np(thread.native_handle(), "engine");
  }

  ~Impl() {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      accepting = false;
      stopping = true;
    }
    wake.notify_all();
    thread.join();
  }

  void check(const Request& request) const;
  RequestId submit(Request request);
  void cancel(RequestId id);
  void drain(double deadline_seconds);

  void run();
  bool take_orders(std::vector<Chunk>& chunks);
  void step(const std::vector<Chunk>& chunks);
  void end(RequestId id, FinishReason reason, std::exception_ptr error);
  void end(std::unique_ptr<Sequence> sequence, FinishReason reason, std::exception_ptr error);
  void publish(double step_seconds, double kernel_seconds);

  const models::Config config;
  const EngineOptions options;
  LoadedStep loaded;

  mutable std::mutex mutex;
  std::condition_variable wake;   // the engine thread: something to do
  std::condition_variable ended;  // drain(): a request ended
  std::deque<std::unique_ptr<Sequence>> arrived;
  std::unordered_set<RequestId> cancelled;
  bool all_cancelled = false;  // by drain()
  std::int64_t waiting_in_scheduler = 0;
  std::int64_t alive = 0;  // accepted and not ended
  RequestId next_id = 1;
  bool accepting = true;
  bool stopping = false;
  EngineStats totals;

  Scheduler scheduler;
  StepInputs inputs;
  Tensor logits;  // [logit_rows, vocab]
  std::vector<std::vector<MutableTensorView>> results;
  Sampler sampler;
  std::optional<EngineMetrics> metrics;
  std::optional<SpeedMetrics> speed;
  std::int64_t prompt_tokens = 0, new_tokens = 0;
  std::int64_t ended_in_step = 0;  // since the last publish()
  std::thread thread;
};

void Engine::Impl::check(const Request& request) const {
  const auto prompt = static_cast<std::int64_t>(request.prompt.size());
  if (prompt == 0) fail(Code::kInvalidArgument, "[request] the prompt has no tokens; wanted at least 1");
  if (request.max_new_tokens < 1)
    fail(Code::kInvalidArgument, "[request] {} new tokens wanted; the least is 1", request.max_new_tokens);
  for (const std::int32_t id : request.prompt) {
    if (id < 0 || id >= config.vocab)
      fail(Code::kInvalidArgument, "[request] token id {}: the vocabulary has 0 to {}", id, config.vocab - 1);
  }
  planner::check_request(loaded.plan, prompt, request.max_new_tokens);
  check_sampling(request.sampling);
}

Engine::RequestId Engine::Impl::submit(Request request) {
  check(request);
  auto sequence = std::make_unique<Sequence>();
  sequence->tokens.reserve(request.prompt.size() + static_cast<std::size_t>(request.max_new_tokens));
  sequence->tokens = request.prompt;
  sequence->seed = request.sampling.seed ? *request.sampling.seed : fresh_seed();
  // With the "dynamic" rotary K of a position depends on the prompt's length as well (models/step.h).
  if (loaded.wants_lengths) sequence->salt = std::to_string(request.prompt.size()) + ":";
  sequence->salt += request.cache_salt;
  sequence->request = std::move(request);
  sequence->submitted = Clock::now();
  RequestId id = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!accepting) fail(Code::kUnavailable, "[engine] the model is being stopped");
    if (static_cast<std::int64_t>(arrived.size()) + waiting_in_scheduler >= options.queue_capacity) {
      fail(Code::kUnavailable, "[engine] {} requests are waiting, as many as job_queue_size allows; try again later",
           options.queue_capacity);
    }
    id = next_id++;
    sequence->id = id;
    arrived.push_back(std::move(sequence));
    ++alive;
  }
  if (metrics) metrics->requests.add();
  wake.notify_one();
  return id;
}

void Engine::Impl::cancel(RequestId id) {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (id == 0 || id >= next_id || alive == 0) return;
    cancelled.insert(id);
  }
  wake.notify_one();
}

void Engine::Impl::drain(double deadline_seconds) {
  std::unique_lock<std::mutex> lock(mutex);
  accepting = false;
  const auto none_left = [this] { return alive == 0; };
  if (deadline_seconds > 0 && ended.wait_for(lock, std::chrono::duration<double>(deadline_seconds), none_left)) return;
  all_cancelled = true;
  wake.notify_one();
  ended.wait(lock, none_left);
}

// Waits until there is something to do, takes new requests and cancellations in and plans the next step. False: stop.
bool Engine::Impl::take_orders(std::vector<Chunk>& chunks) {
  std::vector<std::unique_ptr<Sequence>> leaving;
  bool stop = false;
  {
    std::unique_lock<std::mutex> lock(mutex);
    wake.wait(lock, [this] {
      return stopping || all_cancelled || !arrived.empty() || !cancelled.empty() ||
             scheduler.running() + scheduler.waiting() > 0;
    });
    for (auto& sequence : arrived) scheduler.add(std::move(sequence));
    arrived.clear();
    for (const RequestId id : cancelled) leaving.push_back(scheduler.remove(id));
    cancelled.clear();
    stop = stopping;
    if (std::exchange(all_cancelled, false) || stop) {
      for (const RequestId id : scheduler.ids()) leaving.push_back(scheduler.remove(id));
    }
    // Under the lock, so that whoever submits never counts as waiting what is about to run.
    const runtime::Recording recording(options.recorder, "schedule");
    chunks = scheduler.next_batch();
    waiting_in_scheduler = scheduler.waiting();
  }
  for (auto& sequence : leaving) end(std::move(sequence), FinishReason::kCancelled, nullptr);
  if (!leaving.empty()) publish(0, 0);
  return !stop;
}

void Engine::Impl::run() {
  std::vector<Chunk> chunks;
  std::vector<RequestId> ids;
  while (take_orders(chunks)) {
    if (chunks.empty()) continue;
    ids.clear();  // chunks point to sequences that may have ended when something is thrown
    for (const Chunk& chunk : chunks) ids.push_back(chunk.sequence->id);
    const auto begin = Clock::now();
    double kernel_seconds = 0;
    const StepTokens tokens = tokens_of(chunks);
    try {
      {
        const runtime::Recording filling(options.recorder, "inputs");
        inputs.fill(chunks);
      }
      const auto before = Clock::now();
      loaded.executable->run({&inputs.views(), 1}, results);
      kernel_seconds = seconds_between(before, Clock::now());
      step(chunks);
    } catch (...) {
      // The step as a whole failed: its requests end, the engine goes on with the others.
      for (const RequestId id : ids) end(id, FinishReason::kError, std::current_exception());
    }
    const double seconds = seconds_between(begin, Clock::now());
    if (speed) speed->ran(tokens.phase(), loaded.executable->last_sizes(), kernel_seconds);
    if (options.recorder != nullptr) {
      options.recorder->batches.push_back({{runtime::to_ns(begin), runtime::now_ns()}, tokens.prompt, tokens.decode});
    }
    scheduler.step_took(seconds);
    publish(seconds, kernel_seconds);
  }
}

// After the executable has run: moves the sequences on, samples where logits were wanted, delivers.
void Engine::Impl::step(const std::vector<Chunk>& chunks) {
  const auto now = Clock::now();
  std::size_t row = 0;
  NotFinite not_finite(*loaded.executable, inputs, results, chunks);
  for (const Chunk& chunk : chunks) {
    Sequence& sequence = *chunk.sequence;
    const auto prompt = static_cast<std::int64_t>(sequence.request.prompt.size());
    prompt_tokens += std::clamp(prompt - chunk.begin, std::int64_t{0}, chunk.count);
    scheduler.computed(chunk);
    if (!chunk.last) continue;
    const auto vocab = static_cast<std::size_t>(config.vocab);
    const auto wanted = logits.as<float>().subspan(row++ * vocab, vocab);
    Choice choice;
    try {
      const Sampling& sampling = sequence.request.sampling;
      const auto suppressed = sampling.suppress_eos ? static_cast<std::int32_t>(config.eos) : -1;
      const runtime::Recording recording(options.recorder, "sample");
      choice = sampler.pick(wanted, sampling, suppressed, sequence.seed, static_cast<std::uint64_t>(sequence.size()));
    } catch (...) {
      end(sequence.id, FinishReason::kError, not_finite.error(row - 1, std::current_exception()));
      continue;
    }
    sequence.tokens.push_back(choice.id);
    ++new_tokens;
    if (metrics) {
      const bool is_first = sequence.new_tokens() == 1;
      (is_first ? metrics->first_token_seconds : metrics->inter_token_seconds)
          .observe(seconds_between(is_first ? sequence.submitted : sequence.last_token, now));
    }
    sequence.last_token = now;
    TokenEvent event{.id = choice.id,
                     .log_prob = choice.log_prob,
                     .finish = FinishReason::kNone,
                     .error = nullptr,
                     .logits = nullptr};
    if (sequence.request.want_logits) event.logits = wanted.data();
    const auto& stops = sequence.request.stop_ids;
    if (std::find(stops.begin(), stops.end(), choice.id) != stops.end()) {
      event.finish = FinishReason::kEos;
    } else if (sequence.new_tokens() == sequence.request.max_new_tokens) {
      event.finish = FinishReason::kLength;
    }
    const runtime::Recording recording(options.recorder, "deliver");
    if (event.finish == FinishReason::kNone) {
      if (!deliver(sequence, event)) end(sequence.id, FinishReason::kCancelled, nullptr);
      continue;
    }
    const auto done = scheduler.remove(sequence.id);
    deliver(*done, event);
    ++ended_in_step;
  }
}

// Takes a request out before its time and tells it; nothing happens when it is not here any more.
void Engine::Impl::end(RequestId id, FinishReason reason, std::exception_ptr error) {
  end(scheduler.remove(id), reason, std::move(error));
}

void Engine::Impl::end(std::unique_ptr<Sequence> sequence, FinishReason reason, std::exception_ptr error) {
  if (sequence == nullptr) return;
  deliver(*sequence, {.id = -1, .log_prob = 0, .finish = reason, .error = std::move(error), .logits = nullptr});
  ++ended_in_step;
}

// Makes the counts visible, and only then lets drain() know of requests that ended.
void Engine::Impl::publish(double step_seconds, double kernel_seconds) {
  const std::lock_guard<std::mutex> lock(mutex);
  waiting_in_scheduler = scheduler.waiting();
  totals.steps += step_seconds > 0 ? 1 : 0;
  totals.step_seconds += step_seconds;
  totals.kernel_seconds += kernel_seconds;
  totals.running = scheduler.running();
  totals.waiting = waiting_in_scheduler + static_cast<std::int64_t>(arrived.size());
  totals.preempted = scheduler.preempted();
  const BlockManager& blocks = scheduler.cache().blocks();
  totals.free_blocks = blocks.free_blocks();
  totals.cached_blocks = blocks.kept_blocks();
  totals.total_blocks = blocks.total_blocks();
  totals.prompt_tokens = prompt_tokens;
  totals.new_tokens = new_tokens;
  const SchedulerCounts& counts = scheduler.counts();
  totals.preemptions = counts.preemptions;
  totals.computed_tokens = counts.computed_tokens;
  totals.useful_tokens = counts.useful_tokens;
  const PrefixCounts& prefix = scheduler.cache().prefix_counts();
  totals.prefix_hits = prefix.hits;
  totals.prefix_misses = prefix.misses;
  totals.prefix_tokens_saved = prefix.tokens_saved;
  if (metrics) metrics->follow(totals, step_seconds);
  if (ended_in_step == 0) return;
  alive -= ended_in_step;
  ended_in_step = 0;
  ended.notify_all();
}

Engine::Engine(const models::Config& config, const models::WeightFinder& weights, const EngineOptions& options) {
  const auto at_least_one = [](std::int64_t value, const char* name) {
    if (value < 1) fail(Code::kInvalidArgument, "[engine] {}={}: wanted at least 1", name, value);
  };
  at_least_one(options.max_sequences, "max_sequences");
  at_least_one(options.max_batch_tokens, "max_batch_tokens");
  at_least_one(options.block_size, "block_size");
  at_least_one(options.queue_capacity, "queue_capacity");
  if (options.block_size % 16 != 0)
    fail(Code::kInvalidArgument, "[engine] block_size={}: wanted a multiple of 16", options.block_size);
  if (options.n_positions < 0 || options.n_positions > config.max_positions) {
    fail(Code::kInvalidArgument, "[engine] n_positions={}: the model has {} positions", options.n_positions,
         config.max_positions);
  }
  impl_ = std::make_unique<Impl>(config, weights, options);
}

Engine::~Engine() = default;

Engine::RequestId Engine::submit(Request request) { return impl_->submit(std::move(request)); }
void Engine::cancel(RequestId id) { impl_->cancel(id); }
void Engine::drain(double deadline_seconds) { impl_->drain(deadline_seconds); }
const LoadReport& Engine::load_report() const noexcept { return impl_->loaded.report; }
std::int64_t Engine::n_positions() const noexcept { return impl_->loaded.plan.positions; }

EngineStats Engine::stats() const {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  EngineStats out = impl_->totals;
  out.waiting = impl_->waiting_in_scheduler + static_cast<std::int64_t>(impl_->arrived.size());
  return out;
}

}  // namespace ganglion::engine
