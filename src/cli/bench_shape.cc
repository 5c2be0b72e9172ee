// `ganglion bench decode` and `bench prefill`: the engine on a published shape with seeded random weights, or on a
// checkpoint, timed between tokens, against the limits of this machine measured in the same run.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/cores.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/bench.h"
#include "cli/bench_model.h"
#include "cli/model_options.h"
#include "cli/model_source.h"
#include "compiler/storage.h"
#include "engine/engine.h"
#include "kernels/table.h"
#include "models/matmul_work.h"

namespace ganglion::cli {
namespace {

using Clock = std::chrono::steady_clock;

enum class What { kDecode, kPrefill };

struct Options {
  std::string shape;
  ModelSource model;
  std::int64_t batch = 1;
  std::int64_t prompt = 0;
  std::int64_t steps = 0;
  bool json = false;
  ModelOptions engine;
};

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

struct Figures {
  Spread tokens_per_second;
  double bytes_per_token = 0;  // weights and cache read in a step, over its tokens
  double flops_per_token = 0;
};

// Bytes of a weight, scales included, of a layer and of the head.
double layer_bytes(const models::Types& types) {
  if (types.storage == DType::kS4) return 0.5 + 2.0 / static_cast<double>(types.group);
  return static_cast<double>(dtype_size(types.storage));
}
double head_bytes(const models::Types& types) {
  return types.storage == DType::kS4 ? 1.0 : static_cast<double>(dtype_size(types.storage));
}

// Bytes of K and V of one position, all layers together, scales of s8 included.
double cache_bytes(const models::Config& config, DType kv) {
  const double row = static_cast<double>(config.head_dim) * static_cast<double>(dtype_size(kv));
  return 2.0 * static_cast<double>(config.layers * config.kv_heads) * (row + (kv == DType::kS8 ? 4 : 0));
}

Figures decode(engine::Engine& engine, const models::Config& config, const Options& options,
               const engine::EngineOptions& engine_options) {
  EqualRequests requests{.prompt = options.prompt, .vocab = config.vocab};
  // Prompts are left in the prefix cache, so that all requests begin together: beside requests that decode, prompts are
  // read in small pieces, and the first request would be far beyond its prompt when the last one begins.
  for (; options.batch > 1 && requests.first < options.batch; ++requests.first) run_equal_requests(engine, requests);
  requests.first = 0;
  requests.count = options.batch;
  requests.new_tokens = options.steps + 2;
  const auto times = run_equal_requests(engine, requests);
  // From the step on in which every request has its first token, each step gives every request one.
  Clock::time_point all_decode = times[0][1];
  for (const auto& request : times) all_decode = std::max(all_decode, request[1]);
  std::vector<double> rates;
  for (std::size_t i = 2; i < times[0].size(); ++i) {
    if (times[0][i - 1] < all_decode) continue;
    rates.push_back(static_cast<double>(options.batch) / seconds_between(times[0][i - 1], times[0][i]));
  }
  if (rates.empty()) {
    fail(Code::kInvalidArgument,
         "[bench decode] the first of {} requests ended before the last had begun: {} steps are "
         "too few; give more with --steps",
         options.batch, options.steps);
  }
  const models::MatmulWork work = models::matmul_work(config);
  const double context = static_cast<double>(options.prompt) + static_cast<double>(options.steps) / 2;
  const models::Types& types = engine_options.types;
  Figures out;
  out.tokens_per_second = spread(rates);
  out.bytes_per_token =
      (static_cast<double>(work.layers) * layer_bytes(types) + static_cast<double>(work.head) * head_bytes(types)) /
          static_cast<double>(options.batch) +
      context * cache_bytes(config, types.kv);
  out.flops_per_token = 2.0 * static_cast<double>(work.layers + work.head) +
                        4.0 * static_cast<double>(config.layers * config.heads * config.head_dim) * context;
  return out;
}

Figures prefill(engine::Engine& engine, const models::Config& config, const Options& options,
                const engine::EngineOptions& engine_options) {
  std::vector<double> rates;
  const EqualRequests requests{.count = options.batch, .prompt = options.prompt, .vocab = config.vocab};
  run_equal_requests(engine, requests);
  for (std::int64_t i = 0; i < options.steps; ++i) {
    const auto times = run_equal_requests(engine, requests);
    Clock::time_point last = times[0][1];
    for (const auto& request : times) last = std::max(last, request[1]);
    rates.push_back(static_cast<double>(options.batch * options.prompt) / seconds_between(times[0][0], last));
  }
  const models::MatmulWork work = models::matmul_work(config);
  const auto prompt = static_cast<double>(options.prompt);
  const double passes =
      std::ceil(static_cast<double>(options.batch) * prompt / static_cast<double>(engine_options.max_batch_tokens));
  Figures out;
  out.tokens_per_second = spread(rates);
  const models::Types& types = engine_options.types;
  out.bytes_per_token =
      (static_cast<double>(work.layers) * layer_bytes(types) + static_cast<double>(work.head) * head_bytes(types)) *
      passes / (static_cast<double>(options.batch) * prompt);
  out.flops_per_token = 2.0 * (static_cast<double>(work.layers) + static_cast<double>(work.head) / prompt) +
                        2.0 * static_cast<double>(config.layers * config.heads * config.head_dim) * prompt;
  return out;
}

int bench(What what, const Options& options, const Settings& settings) {
  ThreadPool pool(options.engine.threads, [] { return available_cores(); });
  engine::EngineOptions engine_options = engine_options_of(options.engine, pool);
  const std::int64_t new_tokens = what == What::kDecode ? options.steps + 2 : 1;
  engine_options.max_sequences = options.batch;
  engine_options.prefix_cache = what == What::kDecode && options.batch > 1;  // see decode()
  if (engine_options.n_positions == 0) engine_options.n_positions = options.prompt + new_tokens;
  engine_options.cache_tokens = options.batch * (options.prompt + new_tokens + engine_options.block_size);

  BenchModel model = open_bench_model(options.shape, options.model, settings, "bench");
  if (model.store == nullptr && options.engine.n_positions > 0)  // a shape's weights are made up, of any length
    model.config.max_positions = std::max(model.config.max_positions, options.engine.n_positions);
  const models::Config& config = model.config;
  const auto begin = Clock::now();
  engine::Engine engine(config, model.weights, engine_options);
  std::fprintf(stderr, "%s ready in %.1f s; measuring\n", model.name.c_str(), seconds_between(begin, Clock::now()));
  const Figures figures = what == What::kDecode ? decode(engine, config, options, engine_options)
                                                : prefill(engine, config, options, engine_options);
  const runtime::Limits roofline = measure_roofline(pool);

  const double rate = figures.tokens_per_second.median;
  const double of_bandwidth = rate * figures.bytes_per_token / roofline.bandwidth;
  const kernels::Table* table = kernels::find_table(options.engine.isa);
  const std::string isa(table == nullptr ? "" : table->isa);
  const auto storage = storage_of(engine_options.types.storage);
  const double peak =
      table == nullptr ? 0 : roofline.flops_of(kernels::matmul_isa(*table, storage), options.engine.dtype);
  const double of_peak = rate * figures.flops_per_token / peak;
  if (options.json) {
    const nlohmann::json out = {
        {"benchmark", what == What::kDecode ? "decode" : "prefill"},
        {"shape", model.name},
        {"dtype", options.engine.dtype},
        {"batch", options.batch},
        {"prompt", options.prompt},
        {"threads", options.engine.threads},
        {"tp", options.engine.tp},
        {"cpu", cpu_name()},
        {"isa", isa},
        {"tokens_per_second",
         {{"median", rate}, {"min", figures.tokens_per_second.min}, {"max", figures.tokens_per_second.max}}},
        {"bytes_per_token", figures.bytes_per_token},
        {"flops_per_token", figures.flops_per_token},
        {"bandwidth_bytes_per_second", roofline.bandwidth},
        {"peak_flops_per_second", peak},
        {"fraction_of_bandwidth", of_bandwidth},
        {"fraction_of_peak", of_peak}};
    std::printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  std::printf("%s, %d threads, %s\n", cpu_name().c_str(), options.engine.threads, isa.c_str());
  std::printf("%-8s %-10s %-5s batch %-3lld prompt %-5lld %10.2f tokens/s (%.2f to %.2f)\n",
              what == What::kDecode ? "decode" : "prefill", model.name.c_str(), options.engine.dtype.c_str(),
              static_cast<long long>(options.batch), static_cast<long long>(options.prompt), rate,
              figures.tokens_per_second.min, figures.tokens_per_second.max);
  std::printf("bytes per token %.4g, %.1f %% of the read bandwidth (%.1f GB/s)\n", figures.bytes_per_token,
              100 * of_bandwidth, roofline.bandwidth / 1e9);
  std::printf("FLOPs per token %.4g, %.1f %% of the arithmetic peak (%.1f GFLOP/s)\n", figures.flops_per_token,
              100 * of_peak, peak / 1e9);
  return 0;
}

Action add(What what, CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  options->shape = "opt-125m";
  options->prompt = what == What::kDecode ? 16 : 512;
  options->steps = what == What::kDecode ? 32 : 5;
  add_shape_or_model(verb, options->shape, options->model);
  verb.add_option("--batch", options->batch, "requests at once")->capture_default_str()->check(CLI::Range(1, 4096));
  verb.add_option("--prompt", options->prompt, "prompt tokens of each")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  verb.add_option(what == What::kDecode ? "--steps" : "--repeat", options->steps,
                  what == What::kDecode ? "decode steps to time" : "times to repeat")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  verb.add_flag("--json", options->json, "print JSON");
  add_model_options(verb, settings, options->engine);
  return [=, &settings] { return bench(what, *options, settings); };
}

}  // namespace

Action add_bench_decode(CLI::App& verb, const Settings& settings) { return add(What::kDecode, verb, settings); }
Action add_bench_prefill(CLI::App& verb, const Settings& settings) { return add(What::kPrefill, verb, settings); }

}  // namespace ganglion::cli
