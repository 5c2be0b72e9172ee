// `ganglion bench compile`: what it takes to write the step of a model as a graph and to compile it, in a process that
// has done so before, and how large the program is. No weight is read.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/cores.h"
#include "base/thread_pool.h"
#include "checkpoint/random_source.h"
#include "cli/bench.h"
#include "cli/bench_model.h"
#include "cli/model_options.h"
#include "compiler/pipeline.h"
#include "engine/loaded_step.h"
#include "kernels/table.h"
#include "models/registry.h"

namespace ganglion::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kMostSeconds = 0.010;  // of 24 layers
constexpr double kMostBytes = 1e6;

struct Options {
  std::string shape = "opt-1.3b";
  ModelSource model;
  int repeat = 20;
  bool json = false;
  ModelOptions engine;
};

struct PassSeconds {
  std::string name;
  std::vector<double> seconds;
};

int bench_compile(const Options& options, const Settings& settings) {
  ThreadPool pool(options.engine.threads, [] { return available_cores(); });
  engine::EngineOptions engine_options = engine_options_of(options.engine, pool);
  if (engine_options.cache_tokens == 0) engine_options.cache_tokens = 4096;  // so that memory decides nothing
  BenchModel model = open_bench_model(options.shape, options.model, settings, "bench compile");
  if (model.store == nullptr) {  // random weights take longer to set up than the graph does
    model.weights = [](const std::string&, const Dims& dims) {
      return checkpoint::constant_source(DType::kF32, dims, 0);
    };
  }

  std::vector<double> build, compile, both;
  std::int64_t program_bytes = 0;
  std::size_t steps = 0;
  std::vector<PassSeconds> passes;
  for (int i = -1; i < options.repeat; ++i) {  // the first one warms up
    const engine::PlannedStep planned = engine::plan_step(model.config, model.weights, engine_options);
    program_bytes = planned.executable->footprint().program;
    steps = planned.executable->describe_steps().size();
    const models::Step step =
        models::find_family(model.config.model_type)
            .build(model.config, {.types = engine_options.types, .size = planned.size, .tp = engine_options.tp},
                   model.weights);
    std::vector<compiler::PassTime> times;
    compiler::Options how;
    how.ranks = engine_options.tp;
    how.table = kernels::find_table(options.engine.isa);
    how.times = &times;
    compiler::compile(*step.module, how);
    if (i < 0) {
      for (const auto& time : times) passes.push_back({time.name, {}});
      continue;
    }
    build.push_back(planned.build_seconds);
    compile.push_back(planned.compile_seconds);
    both.push_back(planned.build_seconds + planned.compile_seconds);
    for (std::size_t p = 0; p < times.size(); ++p) passes[p].seconds.push_back(times[p].seconds);
  }

  const Spread whole = spread(both);
  const auto per_24_layers = 24.0 / static_cast<double>(model.config.layers);
  const double time_ratio = whole.median * per_24_layers / kMostSeconds;
  const double size_ratio = static_cast<double>(program_bytes) * per_24_layers / kMostBytes;
  if (options.json) {
    const auto spread_json = [](const Spread& value) {
      return Json{{"median", value.median}, {"min", value.min}, {"max", value.max}};
    };
    Json pass_list = Json::array();
    for (const auto& pass : passes) {
      Json row = spread_json(spread(pass.seconds));
      row["pass"] = pass.name;
      pass_list.push_back(row);
    }
    const Json out = {{"benchmark", "compile"},
                      {"model", model.name},
                      {"layers", model.config.layers},
                      {"dtype", options.engine.dtype},
                      {"tp", options.engine.tp},
                      {"cpu", cpu_name()},
                      {"repeat", options.repeat},
                      {"graph_seconds", spread_json(spread(build))},
                      {"compile_seconds", spread_json(spread(compile))},
                      {"seconds", spread_json(whole)},
                      {"ratio_to_limit", time_ratio},
                      {"program_steps", steps},
                      {"program_bytes", program_bytes},
                      {"bytes_ratio_to_limit", size_ratio},
                      {"passes", pass_list}};
    std::printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  std::printf("%s; %s, %lld layers, %s, tp %d, %d times in a warm process\n", cpu_name().c_str(), model.name.c_str(),
              static_cast<long long>(model.config.layers), options.engine.dtype.c_str(), options.engine.tp,
              options.repeat);
  const auto line = [](const std::string& name, const Spread& value) {
    std::printf("%-22s %9.3f ms (%.3f to %.3f)", name.c_str(), 1e3 * value.median, 1e3 * value.min, 1e3 * value.max);
  };
  line("graph", spread(build));
  std::printf("\n");
  line("compile", spread(compile));
  std::printf("\n");
  line("both", whole);
  std::printf("; for 24 layers %.2f of the %.0f ms allowed\n", time_ratio, 1e3 * kMostSeconds);
  std::printf("%-22s %9.3f kB in %zu steps; for 24 layers %.2f of the 1 MB allowed\n", "program",
              static_cast<double>(program_bytes) / 1e3, steps, size_ratio);
  std::printf("passes:\n");
  for (const auto& pass : passes) {
    line("  " + pass.name, spread(pass.seconds));
    std::printf("\n");
  }
  return 0;
}

}  // namespace

Action add_bench_compile(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  add_shape_or_model(verb, options->shape, options->model);
  verb.add_option("--repeat", options->repeat, "times after the first")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  verb.add_flag("--json", options->json, "print JSON");
  add_model_options(verb, settings, options->engine);
  verb.footer("example: ganglion bench compile --shape llama-1.1b --dtype f16");
  return [=, &settings] { return bench_compile(*options, settings); };
}

}  // namespace ganglion::cli
