#include "cli/bench_model.h"

#include <CLI/CLI.hpp>
#include <condition_variable>
#include <exception>
#include <future>
#include <mutex>
#include <optional>
#include <utility>

#include "models/registry.h"

namespace ganglion::cli {

using Clock = std::chrono::steady_clock;

namespace {

// Holds the engine's thread, between two steps, until it goes out of scope: what is submitted meanwhile begins
// together.
class Gate {
 public:
  explicit Gate(engine::Engine& engine) {
    engine::Request request;
    request.prompt = {0};
    request.max_new_tokens = 1;
    request.on_token = [this, opened = opened_.get_future().share()](const engine::TokenEvent& event) {
      if (event.finish == engine::FinishReason::kNone) return;
      closed_.set_value();
      opened.wait();
    };
    engine.submit(std::move(request));
    closed_.get_future().wait();
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() { opened_.set_value(); }

 private:
  std::promise<void> closed_;  // the engine's thread waits
  std::promise<void> opened_;
};

}  // namespace

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

std::vector<std::vector<Clock::time_point>> run_equal_requests(engine::Engine& engine, const EqualRequests& wanted) {
  std::vector<std::vector<Clock::time_point>> times(static_cast<std::size_t>(wanted.count));
  std::mutex mutex;
  std::condition_variable ended;
  std::int64_t left = wanted.count;
  std::exception_ptr error;
  std::optional<Gate> gate;
  if (wanted.together) gate.emplace(engine);
  for (std::int64_t i = 0; i < wanted.count; ++i) {
    engine::Request request;
    for (std::int64_t t = 0; t < wanted.prompt; ++t)
      request.prompt.push_back(static_cast<std::int32_t>((7 + 31 * t + 101 * (wanted.first + i)) % wanted.vocab));
    request.max_new_tokens = wanted.new_tokens;
    auto& mine = times[static_cast<std::size_t>(i)];
    mine.reserve(static_cast<std::size_t>(wanted.new_tokens) + 1);
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
  gate.reset();
  std::unique_lock<std::mutex> lock(mutex);
  ended.wait(lock, [&] { return left == 0; });
  if (error) std::rethrow_exception(error);
  return times;
}

void add_shape_or_model(CLI::App& verb, std::string& shape, ModelSource& model) {
  CLI::Option* option =
      verb.add_option("--shape", shape, "a published shape, with seeded random weights")->capture_default_str();
  verb.add_option("--model", model.text, std::string("instead of a shape, ") + kModelHelp)->excludes(option);
  add_revision(verb, model);
}

}  // namespace ganglion::cli
