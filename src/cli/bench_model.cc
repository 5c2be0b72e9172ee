#include "cli/bench_model.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <utility>

#include "models/registry.h"

namespace ganglion::cli {

using Clock = std::chrono::steady_clock;

BenchModel open_bench_model(const std::string& shape, const ModelSource& model, const Settings& settings,
                            const std::string& verb) {
  BenchModel out;
  if (model.text.empty()) {
    out.name = shape;
    out.config = models::published_shape(shape);
    out.weights = models::random_weights(0);
    return out;
  }
  out.name = model.text;
  const std::filesystem::path folder = bring_model(model, settings, verb);
  out.config = models::read_config(folder);
  out.store = std::make_unique<checkpoint::Store>(checkpoint::Store::open(folder));
  out.weights = models::checkpoint_weights(*out.store, models::find_family(out.config.model_type).optional_prefixes);
  return out;
}

std::vector<std::vector<Clock::time_point>> run_equal_requests(engine::Engine& engine, std::int64_t count,
                                                               std::int64_t prompt, std::int64_t vocab,
                                                               std::int64_t new_tokens) {
  std::vector<std::vector<Clock::time_point>> times(static_cast<std::size_t>(count));
  std::mutex mutex;
  std::condition_variable ended;
  std::int64_t left = count;
  std::exception_ptr error;
  for (std::int64_t i = 0; i < count; ++i) {
    engine::Request request;
    for (std::int64_t t = 0; t < prompt; ++t)
      request.prompt.push_back(static_cast<std::int32_t>((7 + 31 * t + 101 * i) % vocab));
    request.max_new_tokens = new_tokens;
    auto& mine = times[static_cast<std::size_t>(i)];
    mine.reserve(static_cast<std::size_t>(new_tokens) + 1);
    mine.push_back(Clock::now());
    request.on_token = [&mine, &mutex, &ended, &left, &error](const engine::TokenEvent& event) {
      if (event.id >= 0) mine.push_back(Clock::now());
      if (event.finish == engine::FinishReason::kNone) return;
      const std::lock_guard<std::mutex> lock(mutex);
      if (event.error) error = event.error;
      --left;
      ended.notify_one();
    };
    engine.submit(std::move(request));
  }
  std::unique_lock<std::mutex> lock(mutex);
  ended.wait(lock, [&] { return left == 0; });
  if (error) std::rethrow_exception(error);
  return times;
}

}  // namespace ganglion::cli
