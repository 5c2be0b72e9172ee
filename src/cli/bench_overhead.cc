// `ganglion bench overhead`: how much of a decode step is not spent in kernels, and on what.
#include <CLI/CLI.hpp>
#include <algorithm>
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
#include "engine/engine.h"
#include "engine/step_parts.h"
#include "runtime/recorder.h"

namespace ganglion::cli {
namespace {

using Json = nlohmann::ordered_json;

// What a step may spend outside of kernels: the more generous of the two.
constexpr double kMostPart = 0.05;
constexpr double kMostMicroseconds = 60;

struct Options {
  std::string shape = "opt-125m";
  ModelSource model;
  std::int64_t batch = 1;
  std::int64_t prompt = 16;
  std::int64_t steps = 200;
  bool json = false;
  ModelOptions engine;
};

struct Part {
  const char* name;
  const char* summary;
  double engine::StepParts::*value;
};
constexpr Part kParts[] = {
    {"kernels", "on the thread that the others wait for", &engine::StepParts::kernels},
    {"walk", "between the steps of the program", &engine::StepParts::walk},
    {"waiting", "for threads, at barriers", &engine::StepParts::waiting},
    {"inputs", "filled, checked and bound", &engine::StepParts::inputs},
    {"sampling", "", &engine::StepParts::sampling},
    {"deliver", "tokens to whoever asked", &engine::StepParts::deliver},
    {"engine", "scheduling, counts", &engine::StepParts::engine},
};

Spread spread_of(const std::vector<engine::StepParts>& steps, double engine::StepParts::*value) {
  std::vector<double> numbers;
  for (const engine::StepParts& step : steps) numbers.push_back(step.*value);
  return spread(std::move(numbers));
}

// Decodes once; returns the microseconds of each step as the listener of the first request sees them.
std::vector<double> decode(const BenchModel& model, const Options& options, const engine::EngineOptions& how) {
  engine::Engine engine(model.config, model.weights, how);
  const auto times = run_equal_requests(engine, {.count = options.batch,
                                                 .prompt = options.prompt,
                                                 .vocab = model.config.vocab,
                                                 .new_tokens = options.steps + 2})[0];
  std::vector<double> out;
  for (std::size_t i = 2; i < times.size(); ++i)
    out.push_back(std::chrono::duration<double, std::micro>(times[i] - times[i - 1]).count());
  return out;
}

int bench_overhead(const Options& options, const Settings& settings) {
  ThreadPool pool(options.engine.threads, [] { return available_cores(); });
  engine::EngineOptions how = engine_options_of(options.engine, pool);
  how.max_sequences = options.batch;
  how.prefix_cache = false;
  const std::int64_t positions = options.prompt + options.steps + 2;
  if (how.n_positions == 0) how.n_positions = positions;
  how.cache_tokens = options.batch * (positions + how.block_size);
  const BenchModel model = open_bench_model(options.shape, options.model, settings, "bench overhead");

  const Spread unrecorded = spread(decode(model, options, how));
  runtime::Recorder recorder;
  how.recorder = &recorder;
  decode(model, options, how);
  const std::vector<engine::StepParts> steps = engine::decode_step_parts(recorder);
  if (steps.empty()) fail(Code::kInvalidArgument, "[bench overhead] no step only decoded: give more with --steps");

  std::vector<double> outside, parts_outside;
  for (const engine::StepParts& step : steps) {
    outside.push_back(step.not_in_kernels());
    parts_outside.push_back(step.not_in_kernels() / step.whole);
  }
  const Spread whole = spread_of(steps, &engine::StepParts::whole);
  const Spread not_kernels = spread(outside), part = spread(parts_outside);
  const double limit = std::max(kMostMicroseconds, kMostPart * whole.median);
  const auto barriers = std::count_if(recorder.steps.begin(), recorder.steps.end(),
                                      [](const runtime::StepInfo& step) { return step.barrier; });
  if (options.json) {
    const auto spread_json = [](const Spread& value) {
      return Json{{"median", value.median}, {"min", value.min}, {"max", value.max}};
    };
    Json parts = Json::object();
    for (const Part& each : kParts) parts[each.name] = spread_json(spread_of(steps, each.value));
    const Json out = {{"benchmark", "overhead"},
                      {"model", model.name},
                      {"dtype", options.engine.dtype},
                      {"batch", options.batch},
                      {"prompt", options.prompt},
                      {"threads", options.engine.threads},
                      {"tp", options.engine.tp},
                      {"cpu", cpu_name()},
                      {"steps", steps.size()},
                      {"program_steps", recorder.steps.size()},
                      {"program_barriers", barriers},
                      {"step_us_unrecorded", spread_json(unrecorded)},
                      {"step_us", spread_json(whole)},
                      {"parts_us", parts},
                      {"not_in_kernels_us", spread_json(not_kernels)},
                      {"not_in_kernels_part", spread_json(part)},
                      {"limit_us", limit},
                      {"ratio_to_limit", not_kernels.median / limit}};
    std::printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  std::printf("%s, %d threads; decode of %s, %s, batch %lld: %zu steps of a program of %zu steps and %lld barriers\n",
              cpu_name().c_str(), options.engine.threads, model.name.c_str(), options.engine.dtype.c_str(),
              static_cast<long long>(options.batch), steps.size(), recorder.steps.size(),
              static_cast<long long>(barriers));
  const auto line = [&](const char* name, const Spread& value, const char* summary) {
    std::printf("%-16s %9.1f us (%.1f to %.1f)  %5.1f %%  %s\n", name, value.median, value.min, value.max,
                100 * value.median / whole.median, summary);
  };
  line("a step", whole, "");
  for (const Part& each : kParts) line(each.name, spread_of(steps, each.value), each.summary);
  line("not in kernels", not_kernels, "");
  std::printf("%.1f us may be spent outside of kernels (%.0f us or %.0f %%): %.2f of it is\n", limit, kMostMicroseconds,
              100 * kMostPart, not_kernels.median / limit);
  std::printf("unrecorded, a step takes %.1f us (%.1f to %.1f)\n", unrecorded.median, unrecorded.min, unrecorded.max);
  return 0;
}

}  // namespace

Action add_bench_overhead(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  add_shape_or_model(verb, options->shape, options->model);
  verb.add_option("--batch", options->batch, "requests at once")->capture_default_str()->check(CLI::Range(1, 4096));
  verb.add_option("--prompt", options->prompt, "prompt tokens of each")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  verb.add_option("--steps", options->steps, "decode steps to time")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  verb.add_flag("--json", options->json, "print JSON");
  add_model_options(verb, settings, options->engine);
  verb.footer("example: ganglion bench overhead --model share/opt-demo --dtype f16");
  return [=, &settings] { return bench_overhead(*options, settings); };
}

}  // namespace ganglion::cli
