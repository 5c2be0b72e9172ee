// `ganglion profile`: where the time of a model goes, step by step, against the limits of this machine.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/cores.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/bench.h"
#include "cli/bench_model.h"
#include "cli/model_options.h"
#include "cli/model_source.h"
#include "cli/profile_report.h"
#include "cli/verb.h"
#include "engine/engine.h"
#include "kernels/table.h"

namespace ganglion::cli {
namespace {

struct Options {
  std::string shape = "opt-125m";
  ModelSource model;
  std::int64_t batch = 1;
  std::int64_t prompt = 256;
  std::int64_t steps = 32;
  std::int64_t repeat = 3;
  std::filesystem::path out = "profile";
  bool json = false;
  ModelOptions engine;
};

void write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  stream.close();
  if (!stream)
    fail(Code::kInvalidArgument, "[profile] {} cannot be written; name a folder that can be with --out", file.string());
}

int profile(const Options& options, const Settings& settings) {
  ThreadPool pool(options.engine.threads, [] { return available_cores(); });
  engine::EngineOptions engine_options = engine_options_of(options.engine, pool);
  const std::int64_t new_tokens = options.steps + 1;
  engine_options.max_sequences = options.batch;
  engine_options.prefix_cache = false;  // every prompt is to be computed
  if (engine_options.n_positions == 0) engine_options.n_positions = options.prompt + new_tokens;
  engine_options.cache_tokens = options.batch * (options.prompt + new_tokens + engine_options.block_size);
  const BenchModel model = open_bench_model(options.shape, options.model, settings, "profile");
  std::error_code error;
  std::filesystem::create_directories(options.out, error);
  if (error) fail(Code::kInvalidArgument, "[profile] --out {}: {}", options.out.string(), error.message());

  runtime::Recorder recorder;
  engine_options.recorder = &recorder;
  std::int64_t since = 0;
  {
    engine::Engine engine(model.config, model.weights, engine_options);
    std::fprintf(stderr, "%s is ready; recording\n", model.name.c_str());
    // Once to touch what is touched first.
    EqualRequests requests{
        .count = options.batch, .prompt = options.prompt, .vocab = model.config.vocab, .together = false};
    requests.new_tokens = 2;
    run_equal_requests(engine, requests);
    since = runtime::now_ns();
    requests.new_tokens = 1;
    for (std::int64_t i = 1; i < options.repeat; ++i) run_equal_requests(engine, requests);
    requests.new_tokens = new_tokens;
    run_equal_requests(engine, requests);
  }  // the recording may be read when the engine is gone
  const ProfileReport report = make_report(recorder, measure_roofline(pool), since);

  const kernels::Table* table = kernels::find_table(options.engine.isa);
  const nlohmann::json about = {{"model", model.name},
                                {"dtype", options.engine.dtype},
                                {"isa", table == nullptr ? "" : std::string(table->isa)},
                                {"cpu", cpu_name()},
                                {"threads", options.engine.threads},
                                {"tp", options.engine.tp},
                                {"batch", options.batch},
                                {"prompt", options.prompt},
                                {"steps", options.steps}};
  const std::filesystem::path trace = options.out / "trace.json", page = options.out / "profile.html";
  write(trace, trace_of(recorder, report, since, about));
  write(page, page_of(recorder, report, about));
  if (options.json) {
    nlohmann::json out = json_of(report);
    out["about"] = about;
    out["trace"] = trace.string();
    out["page"] = page.string();
    std::printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  std::printf("%s %s, batch %lld, prompt %lld, tp %d\n%s, %d threads, %s; reads %.1f GB/s (%s), %.1f GFLOP/s f32 (%s)",
              model.name.c_str(), options.engine.dtype.c_str(), static_cast<long long>(options.batch),
              static_cast<long long>(options.prompt), options.engine.tp, cpu_name().c_str(), options.engine.threads,
              about["isa"].get<std::string>().c_str(), report.limits.bandwidth / 1e9,
              report.limits.bandwidth_loop.c_str(), report.limits.peak_flops / 1e9, report.limits.peak_isa.c_str());
  if (report.limits.tile_flops > 0) std::printf(", %.1f bf16 on tiles", report.limits.tile_flops / 1e9);
  std::printf("\n%s\n%s (ui.perfetto.dev or chrome://tracing opens it)\n%s\n", text_of(report).c_str(), trace.c_str(),
              page.c_str());
  return 0;
}

}  // namespace

Action add_profile(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  CLI::Option* shape = verb.add_option("--shape", options->shape, "a published shape, with seeded random weights")
                           ->capture_default_str();
  verb.add_option("MODEL", options->model.text, std::string("instead of a shape, ") + kModelHelp)->excludes(shape);
  add_revision(verb, options->model);
  verb.add_option("--batch", options->batch, "requests at once")->capture_default_str()->check(CLI::Range(1, 4096));
  verb.add_option("--prompt", options->prompt, "prompt tokens of each")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  verb.add_option("--steps", options->steps, "decode steps")->capture_default_str()->check(CLI::Range(1, 100000));
  verb.add_option("--repeat", options->repeat, "times to compute the prompts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  verb.add_option("-o,--out", options->out, "folder for trace.json and profile.html")->capture_default_str();
  verb.add_flag("--json", options->json, "print JSON");
  add_model_options(verb, settings, options->engine);
  verb.footer("example: ganglion profile --shape opt-125m --dtype f16 --prompt 512 --out profile");
  return [=, &settings] { return profile(*options, settings); };
}

}  // namespace ganglion::cli
