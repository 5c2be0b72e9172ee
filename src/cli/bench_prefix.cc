// `ganglion bench prefix`: the time to the first token of a request whose beginning is cached, against one whose is
// not.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/cores.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/bench.h"
#include "cli/model_options.h"
#include "engine/engine.h"
#include "models/registry.h"

namespace ganglion::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string shape = "opt-125m";
  std::int64_t common = 1000;
  std::int64_t own = 10;
  int repeat = 7;
  bool json = false;
  ModelOptions engine;
};

// Of a request alone: until its only token.
double first_token_seconds(engine::Engine& engine, engine::Request request) {
  std::promise<void> got;
  request.max_new_tokens = 1;
  request.on_token = [&got](const engine::TokenEvent& event) {
    if (event.error) {
      got.set_exception(event.error);
    } else {
      got.set_value();
    }
  };
  const auto begin = Clock::now();
  engine.submit(std::move(request));
  got.get_future().get();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

int bench_prefix(const Options& options) {
  ThreadPool pool(options.engine.threads, [] { return available_cores(); });
  const models::Config config = models::published_shape(options.shape);
  engine::EngineOptions engine_options = engine_options_of(options.engine, pool);
  engine_options.max_sequences = 4;
  if (engine_options.n_positions == 0) engine_options.n_positions = options.common + options.own + 1;
  engine::Engine engine(config, models::random_weights(0), engine_options);

  const auto prompt = [&](std::int64_t which, std::int64_t first) {
    engine::Request request;
    for (std::int64_t t = 0; t < options.common + options.own; ++t)
      request.prompt.push_back(
          static_cast<std::int32_t>((7 + 31 * t + (t < options.common ? first : which)) % config.vocab));
    return request;
  };
  std::vector<double> cold, hit;
  for (int i = -1; i < options.repeat; ++i) {
    const std::int64_t first = 1000 + i;  // another beginning each time
    const double first_seconds = first_token_seconds(engine, prompt(1, first));
    const double second_seconds = first_token_seconds(engine, prompt(2, first));
    if (i < 0) continue;  // the engine was still cold
    cold.push_back(first_seconds);
    hit.push_back(second_seconds);
  }
  engine.drain(60);  // returns when all is counted
  const engine::EngineStats stats = engine.stats();
  std::vector<double> ratios;
  for (std::size_t i = 0; i < cold.size(); ++i) ratios.push_back(cold[i] / hit[i]);
  const Spread without = spread(cold), with = spread(hit), ratio = spread(ratios);
  const auto saved = static_cast<double>(stats.prefix_tokens_saved) / static_cast<double>(options.repeat + 1);
  if (options.json) {
    const auto json = [](const Spread& s) {
      return nlohmann::ordered_json{{"median", s.median}, {"min", s.min}, {"max", s.max}};
    };
    const nlohmann::ordered_json out = {{"benchmark", "prefix"},
                                        {"shape", options.shape},
                                        {"dtype", options.engine.dtype},
                                        {"threads", options.engine.threads},
                                        {"cpu", cpu_name()},
                                        {"common_tokens", options.common},
                                        {"own_tokens", options.own},
                                        {"tokens_saved", saved},
                                        {"first_token_seconds", json(without)},
                                        {"first_token_seconds_cached", json(with)},
                                        {"times_sooner", json(ratio)}};
    std::printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  std::printf("%s, %d threads; %s %s, prompts of %lld common tokens and %lld of their own, %.0f tokens saved\n",
              cpu_name().c_str(), options.engine.threads, options.shape.c_str(), options.engine.dtype.c_str(),
              static_cast<long long>(options.common), static_cast<long long>(options.own), saved);
  std::printf("first token of the first request   %9.2f ms (%.2f to %.2f)\n", 1e3 * without.median, 1e3 * without.min,
              1e3 * without.max);
  std::printf("first token of the second request  %9.2f ms (%.2f to %.2f)\n", 1e3 * with.median, 1e3 * with.min,
              1e3 * with.max);
  std::printf("times sooner                       %9.1f    (%.1f to %.1f)\n", ratio.median, ratio.min, ratio.max);
  return 0;
}

}  // namespace

Action add_bench_prefix(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  verb.add_option("--shape", options->shape, "a published shape, with random weights")->capture_default_str();
  verb.add_option("--common", options->common, "tokens that prompts begin with alike")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  verb.add_option("--own", options->own, "tokens after them")->capture_default_str()->check(CLI::Range(1, 1 << 20));
  verb.add_option("--repeat", options->repeat, "pairs of requests")->capture_default_str()->check(CLI::Range(1, 1000));
  verb.add_flag("--json", options->json, "print JSON");
  add_model_options(verb, settings, options->engine);
  verb.footer("example: ganglion bench prefix --shape opt-125m --dtype f16");
  return [=] { return bench_prefix(*options); };
}

}  // namespace ganglion::cli
