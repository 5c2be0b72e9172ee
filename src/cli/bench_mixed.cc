// `ganglion bench mixed`: requests of many lengths at random times, at a part of what the engine can do, once on the
// engine called directly and once through the server over HTTP: what the server costs, and how long a token may keep
// its request waiting while others' prompts are computed.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/cores.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/bench.h"
#include "cli/model_options.h"
#include "cli/request_trace.h"
#include "cli/scratch_folder.h"
#include "engine/engine.h"
#include "metrics/registry.h"
#include "models/registry.h"
#include "server/predictor.h"
#include "server/server.h"

namespace ganglion::cli {
namespace {

struct Options {
  std::string shape = "opt-125m";
  TraceOptions trace;
  double load = 0.7;
  int repeat = 1;
  bool json = false;
  ModelOptions engine;
};

constexpr const char* kModel = "mixed";

// An engine without a tokenizer: a prompt is its tokens' numbers.
class NumbersPredictor : public server::Predictor {
 public:
  NumbersPredictor(engine::Engine& engine, const models::Config& config) : engine_(engine), config_(config) {}

  std::vector<std::int32_t> encode(std::string_view text) const override {
    std::istringstream numbers{std::string(text)};
    std::vector<std::int32_t> ids;
    for (std::int32_t id = 0; numbers >> id;) ids.push_back(id);
    return ids;
  }
  std::string decode(std::span<const std::int32_t> ids, server::Specials) const override {
    std::string text;
    for (const std::int32_t id : ids) text += std::to_string(id) + " ";
    return text;
  }
  std::unique_ptr<server::TextStream> open_stream(server::Specials) const override {
    struct Stream : server::TextStream {
      std::string push(std::int32_t id) override { return std::to_string(id) + " "; }
      std::string flush() override { return ""; }
    };
    return std::make_unique<Stream>();
  }
  bool is_special(std::int32_t) const override { return false; }
  std::vector<std::int32_t> eos_ids() const override { return config_.eos_ids(); }
  std::int64_t vocabulary() const override { return config_.vocab; }
  std::int64_t n_positions() const override { return engine_.n_positions(); }
  std::size_t longest_prompt_bytes() const override { return 11 * static_cast<std::size_t>(engine_.n_positions()); }
  std::uint64_t submit(engine::Request request) override { return engine_.submit(std::move(request)); }
  void cancel(std::uint64_t id) override { engine_.cancel(id); }

 private:
  engine::Engine& engine_;
  const models::Config config_;
};

nlohmann::ordered_json json_of(const TraceFigures& figures) {
  return {{"tokens", figures.tokens},
          {"seconds", figures.seconds},
          {"tokens_per_second", figures.tokens_per_second()},
          {"inter_token_seconds", {{"median", figures.gap_median}, {"p99", figures.gap_p99}, {"max", figures.gap_max}}},
          {"p99_over_median", figures.gap_p99 / figures.gap_median},
          {"first_token_seconds", {{"median", figures.first_median}, {"p99", figures.first_p99}}}};
}

void print(const char* name, const TraceFigures& figures) {
  std::printf(
      "%-10s %8.1f tokens/s  inter-token %7.2f ms, 99 %% %7.2f (%.2f x), most %7.2f  first %7.1f ms, 99 %% %8.1f\n",
      name, figures.tokens_per_second(), 1e3 * figures.gap_median, 1e3 * figures.gap_p99,
      figures.gap_p99 / figures.gap_median, 1e3 * figures.gap_max, 1e3 * figures.first_median, 1e3 * figures.first_p99);
  std::fflush(stdout);
}

int bench_mixed(const Options& options) {
  ThreadPool pool(options.engine.threads, [] { return available_cores(); });
  metrics::Registry registry;
  const models::Config config = models::published_shape(options.shape);
  engine::EngineOptions engine_options = engine_options_of(options.engine, pool);
  engine_options.max_sequences = options.trace.in_flight;
  engine_options.metrics = &registry;
  engine_options.metric_model = kModel;
  if (engine_options.n_positions == 0)
    engine_options.n_positions = options.trace.longest_prompt + options.trace.longest_answer;
  engine::Engine engine(config, models::random_weights(0), engine_options);

  const ScratchFolder folder(std::filesystem::temp_directory_path());
  server::ServerConfig server_config;
  server_config.port = 0;
  server_config.predict_timeout = std::chrono::hours(1);
  server_config.models = {{.name = kModel, .version = "", .engine = "", .devices = "", .folder = folder.path()}};
  const auto predictor = std::make_shared<NumbersPredictor>(engine, config);
  server::Server server(
      server_config, [&](const server::ModelEntry&, const server::ModelSettings&) { return predictor; }, registry);

  std::uint64_t text = 0;
  const auto on_engine = [&](double rate) {
    const auto trace = make_trace(options.trace, rate, ++text, config.vocab);
    return figures_of(trace, run_on_engine(engine, trace, options.trace.in_flight));
  };
  const auto over_http = [&](double rate) {
    const auto trace = make_trace(options.trace, rate, ++text, config.vocab);
    return figures_of(trace, run_over_http(server.port(), kModel, trace, options.trace.in_flight));
  };
  // As much as it can: all requests at once.
  const TraceFigures most = on_engine(0);
  const double rate = options.load * static_cast<double>(options.trace.requests) / most.seconds;
  if (!options.json) {
    std::printf("%s, %d threads; %s %s, %lld requests, prompts %lld to %lld, answers %lld to %lld\n",
                cpu_name().c_str(), options.engine.threads, options.shape.c_str(), options.engine.dtype.c_str(),
                static_cast<long long>(options.trace.requests), static_cast<long long>(options.trace.shortest_prompt),
                static_cast<long long>(options.trace.longest_prompt),
                static_cast<long long>(options.trace.shortest_answer),
                static_cast<long long>(options.trace.longest_answer));
    print("all at once", most);
    std::printf("at %.0f %% of that, %.2f requests/s:\n", 100 * options.load, rate);
  }
  std::vector<double> ratios, stretches;
  nlohmann::ordered_json runs = nlohmann::ordered_json::array();
  for (int i = 0; i < options.repeat; ++i) {
    const TraceFigures direct = on_engine(rate);
    const TraceFigures http = over_http(rate);
    ratios.push_back(http.tokens_per_second() / direct.tokens_per_second());
    stretches.push_back(http.gap_p99 / http.gap_median);
    runs.push_back({{"engine", json_of(direct)}, {"http", json_of(http)}});
    if (options.json) continue;
    print("engine", direct);
    print("HTTP", http);
  }
  const Spread ratio = spread(ratios), stretch = spread(stretches);
  const engine::EngineStats stats = engine.stats();
  if (options.json) {
    const auto spread_json = [](const Spread& s) {
      return nlohmann::ordered_json{{"median", s.median}, {"min", s.min}, {"max", s.max}};
    };
    const nlohmann::ordered_json out = {{"benchmark", "mixed"},
                                        {"shape", options.shape},
                                        {"dtype", options.engine.dtype},
                                        {"threads", options.engine.threads},
                                        {"cpu", cpu_name()},
                                        {"load", options.load},
                                        {"requests_per_second", rate},
                                        {"all_at_once", json_of(most)},
                                        {"runs", runs},
                                        {"http_over_engine", spread_json(ratio)},
                                        {"http_p99_over_median", spread_json(stretch)},
                                        {"preemptions", stats.preemptions},
                                        {"outside_kernels", 1 - stats.kernel_seconds / stats.step_seconds}};
    std::printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  std::printf(
      "HTTP over engine %.3f (%.3f to %.3f) of the tokens/s; inter-token 99 %% over median %.2f (%.2f to %.2f); "
      "%.1f %% of the steps outside kernels\n",
      ratio.median, ratio.min, ratio.max, stretch.median, stretch.min, stretch.max,
      100 * (1 - stats.kernel_seconds / stats.step_seconds));
  return 0;
}

}  // namespace

Action add_bench_mixed(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  verb.add_option("--shape", options->shape, "a published shape, with random weights")->capture_default_str();
  verb.add_option("--requests", options->trace.requests, "requests of each run")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  verb.add_option("--in-flight", options->trace.in_flight, "requests at once, at most")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  verb.add_option("--load", options->load, "part of what the engine can do")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 1.0));
  verb.add_option("--longest-prompt", options->trace.longest_prompt, "tokens; the shortest has 32")
      ->capture_default_str()
      ->check(CLI::Range(32, 1 << 20));
  verb.add_option("--longest-answer", options->trace.longest_answer, "tokens; the shortest has 16")
      ->capture_default_str()
      ->check(CLI::Range(16, 1 << 20));
  verb.add_option("--repeat", options->repeat, "runs on the engine and over HTTP, in turns")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  verb.add_flag("--json", options->json, "print JSON");
  add_model_options(verb, settings, options->engine);
  verb.footer("example: ganglion bench mixed --shape opt-125m --dtype f16");
  return [=] { return bench_mixed(*options); };
}

}  // namespace ganglion::cli
