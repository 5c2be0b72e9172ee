// `ganglion bench load`: the time from nothing to ready, against what the machine needs to read the checkpoint and to
// touch the memory of the packed weights, measured in turns in the same run.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/cores.h"
#include "base/error.h"
#include "base/file.h"
#include "base/thread_pool.h"
#include "checkpoint/packed_cache.h"
#include "checkpoint/random_source.h"
#include "checkpoint/store.h"
#include "checkpoint/write.h"
#include "cli/bench.h"
#include "cli/model_options.h"
#include "cli/model_source.h"
#include "cli/scratch_folder.h"
#include "engine/loaded_step.h"
#include "engine/model.h"
#include "models/registry.h"

namespace ganglion::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct Options {
  ModelSource model;
  std::string shape;
  std::string scratch;
  int repeat = 5;
  bool second_start = false;
  bool json = false;
  ModelOptions engine;
};

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// A line of /proc/self/status in bytes: "VmHWM" is the most that was ever resident, "VmRSS" what is now.
std::int64_t memory_status(const std::string& key) {
  std::ifstream file("/proc/self/status");
  std::string word;
  while (file >> word) {
    std::int64_t kib = 0;
    if (word == key + ":" && file >> kib) return kib * 1024;
  }
  return 0;
}

// The most resident memory from here on.
void forget_peak() { std::ofstream("/proc/self/clear_refs") << 5; }

// A seeded checkpoint of a published shape in `folder`.
void write_seeded(const models::Config& config, const models::Types& types, const fs::path& folder) {
  std::map<std::string, std::shared_ptr<const TensorSource>> tensors;
  models::Types written = types;
  if (!is_float(types.storage)) written.storage = DType::kF16;  // to be quantized while it loads
  const models::WeightFinder finder = [&](const std::string& name, const Dims& dims) {
    auto& source = tensors[name];
    if (!source) source = checkpoint::random_source(written.storage, dims, 0.02, tensors.size());
    return source;
  };
  models::find_family(config.model_type).build(config, {.types = written, .size = {}, .tp = 1}, finder);
  std::vector<checkpoint::NamedTensor> list;
  for (const auto& [name, source] : tensors) list.push_back({name, source});
  checkpoint::write_safetensors(folder / "model.safetensors", list);
}

// All bytes of the files once, into buffers that are in memory already.
double read_seconds(const std::vector<fs::path>& paths, ThreadPool& pool) {
  constexpr std::uint64_t kPiece = 1 << 20;
  std::vector<File> files;
  std::vector<std::pair<std::size_t, std::uint64_t>> pieces;
  for (const fs::path& path : paths) {
    files.push_back(File::open(path));
    for (std::uint64_t at = 0; at < files.back().size(); at += kPiece) pieces.emplace_back(files.size() - 1, at);
  }
  std::vector<std::vector<char>> buffers(static_cast<std::size_t>(pool.threads()), std::vector<char>(kPiece));
  std::atomic<std::size_t> next = 0;
  const auto start = Clock::now();
  pool.run([&](int thread) {
    for (std::size_t i = next++; i < pieces.size(); i = next++) {
      const File& file = files[pieces[i].first];
      const std::uint64_t at = pieces[i].second;
      file.read(at, buffers[static_cast<std::size_t>(thread)].data(),
                static_cast<std::size_t>(std::min(kPiece, file.size() - at)));
    }
  });
  return seconds_since(start);
}

// One write to every page of fresh memory, as the packed weights have it.
double touch_seconds(std::int64_t bytes, ThreadPool& pool) {
  constexpr std::int64_t kPage = 4096;
  const auto start = Clock::now();
  Buffer memory(static_cast<std::size_t>(bytes));
  pool.run([&](int thread) {
    const Range range = split_range(bytes, pool.threads(), thread, std::int64_t{2} << 20);
    for (std::int64_t i = range.begin; i < range.end; i += kPage) memory.data()[i] = std::byte{1};
  });
  return seconds_since(start);
}

struct Round {
  double read = 0, touch = 0, ready = 0;
  double second = 0;  // ready, from packed weights on disk
  double ratio() const { return ready / (read + touch); }
};

struct Loading {
  models::Config config;
  fs::path folder;
  bool has_tokenizer = false;
};

// From nothing to ready; the engine is gone again when this returns.
engine::LoadReport load_once(const Loading& loading, const engine::EngineOptions& options, double& seconds) {
  const auto start = Clock::now();
  if (loading.has_tokenizer) {
    const engine::Model model = engine::load_model(loading.folder, options);
    seconds = seconds_since(start);
    return model.report;
  }
  const checkpoint::Store store = checkpoint::Store::open(loading.folder);
  const auto& prefixes = models::find_family(loading.config.model_type).optional_prefixes;
  engine::EngineOptions with_cache = options;
  std::optional<checkpoint::PackedCache> cache;
  if (!options.weight_cache.empty())
    cache.emplace(options.weight_cache, checkpoint::files_of(store.files()), *options.pool);
  with_cache.packed_weights = cache ? &*cache : nullptr;
  const engine::Engine engine(loading.config, models::checkpoint_weights(store, prefixes), with_cache);
  seconds = seconds_since(start);
  return engine.load_report();
}

Json spread_json(const Spread& value) { return {{"median", value.median}, {"min", value.min}, {"max", value.max}}; }

int bench_load(const Options& options, const Settings& settings) {
  if (options.model.text.empty() == options.shape.empty())
    fail(Code::kInvalidArgument,
         "[bench load] wanted one of MODEL, a checkpoint folder, and --shape, a published name");
  ThreadPool pool(options.engine.threads, [] { return available_cores(); });
  engine::EngineOptions engine_options = engine_options_of(options.engine, pool);
  engine_options.max_sequences = 1;
  engine_options.weight_cache.clear();  // the first start is measured without
  Loading loading;
  const ScratchFolder scratch(options.scratch);
  if (options.model.text.empty()) {
    loading.config = models::published_shape(options.shape);
    std::fprintf(stderr, "writing a seeded checkpoint of %s to %s\n", options.shape.c_str(), options.scratch.c_str());
    write_seeded(loading.config, engine_options.types, scratch.path());
    loading.folder = scratch.path();
  } else {
    loading.folder = bring_model(options.model, settings, "bench load");
    loading.config = models::read_config(loading.folder);
    loading.has_tokenizer = true;
  }
  const std::vector<fs::path> files = checkpoint::files_of(checkpoint::Store::open(loading.folder).files());
  std::uint64_t file_bytes = 0;
  for (const fs::path& file : files) file_bytes += File::open(file).size();
  const planner::Plan plan = engine::plan_step(loading.config, models::random_weights(0), engine_options).plan;
  const std::int64_t base = memory_status("VmRSS");

  // The first round finds the file on disk and memory that the machine may have to be given first; it is told apart.
  std::vector<Round> rounds;
  engine::LoadReport report, second_report;
  engine::EngineOptions with_cache = engine_options;
  with_cache.weight_cache = scratch.path() / "packed";
  double writing = 0;  // a start that also writes the packed weights
  if (options.second_start) load_once(loading, with_cache, writing);
  std::int64_t peak = 0;
  for (int i = 0; i <= options.repeat; ++i) {
    Round round;
    round.read = read_seconds(files, pool);
    // A virtual machine gives memory back that was free for a second or two, and touching it then takes ten times as
    // long. Both sides of the ratio are to find it as the other does.
    if (i > 0) touch_seconds(plan.all.weights(), pool);
    round.touch = touch_seconds(plan.all.weights(), pool);
    forget_peak();
    report = load_once(loading, engine_options, round.ready);
    peak = std::max(peak, memory_status("VmHWM"));
    if (options.second_start) {
      second_report = load_once(loading, with_cache, round.second);
      if (!second_report.from_cache)
        fail(Code::kInternal, "[bench load] the packed weights in {} were not used", with_cache.weight_cache.string());
    }
    rounds.push_back(round);
  }
  std::vector<double> ready, ratios, reads, touches, seconds, second_ratios;
  for (std::size_t i = 1; i < rounds.size(); ++i) {
    ready.push_back(rounds[i].ready);
    ratios.push_back(rounds[i].ratio());
    seconds.push_back(rounds[i].second);
    second_ratios.push_back(rounds[i].second / rounds[i].ready);
    reads.push_back(static_cast<double>(file_bytes) / rounds[i].read);
    touches.push_back(static_cast<double>(plan.all.weights()) / rounds[i].touch);
  }
  const double over_plan = static_cast<double>(peak - base) / static_cast<double>(plan.all.total());
  if (options.json) {
    Json out = {{"benchmark", "load"},
                {"model", options.model.text.empty() ? options.shape : options.model.text},
                {"dtype", options.engine.dtype},
                {"threads", options.engine.threads},
                {"tp", options.engine.tp},
                {"cpu", cpu_name()},
                {"file_bytes", file_bytes},
                {"packed_bytes", plan.all.weights()},
                {"ready_seconds", spread_json(spread(ready))},
                {"read_bytes_per_second", spread_json(spread(reads))},
                {"touch_bytes_per_second", spread_json(spread(touches))},
                {"ratio_to_limit", spread_json(spread(ratios))},
                {"first_round",
                 {{"ready_seconds", rounds[0].ready},
                  {"read_seconds", rounds[0].read},
                  {"touch_seconds", rounds[0].touch},
                  {"ratio_to_limit", rounds[0].ratio()}}},
                {"plan_bytes", plan.all.total()},
                {"process_base_bytes", base},
                {"peak_resident_bytes", peak},
                {"resident_over_plan", over_plan},
                {"last_load", report.text()}};
    if (options.second_start) {
      out["second_start"] = {{"ready_seconds", spread_json(spread(seconds))},
                             {"over_first", spread_json(spread(second_ratios))},
                             {"start_that_writes_seconds", writing},
                             {"last_load", second_report.text()}};
    }
    std::printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  const auto line = [](const char* name, const Spread& value, double scale, const char* unit) {
    std::printf("%-26s %9.3f (%.3f to %.3f) %s\n", name, value.median / scale, value.min / scale, value.max / scale,
                unit);
  };
  std::printf("%s, %d threads; %s from files of %s to %s packed, in page cache\n", cpu_name().c_str(),
              options.engine.threads, options.engine.dtype.c_str(),
              planner::size_text(static_cast<std::int64_t>(file_bytes)).c_str(),
              planner::size_text(plan.all.weights()).c_str());
  line("reading the files", spread(reads), 1e9, "GB/s");
  line("first touch", spread(touches), 1e9, "GB/s");
  line("time to ready", spread(ready), 1, "s");
  line("over reading + touching", spread(ratios), 1, "");
  std::printf("%-26s %9.3f (reading %.3f s, touching %.3f s, ready after %.3f s)\n", "  in the first round",
              rounds[0].ratio(), rounds[0].read, rounds[0].touch, rounds[0].ready);
  std::printf("%-26s %9.3f (%s resident at most, %s before, %s planned)\n", "memory over the plan", over_plan,
              planner::size_text(peak).c_str(), planner::size_text(base).c_str(),
              planner::size_text(plan.all.total()).c_str());
  std::printf("last load: %s\n", report.text().c_str());
  if (options.second_start) {
    line("second start", spread(seconds), 1, "s");
    line("over the first", spread(second_ratios), 1, "");
    std::printf("%-26s %9.3f s\n", "start that writes", writing);
    std::printf("last second load: %s\n", second_report.text().c_str());
  }
  return 0;
}

}  // namespace

Action add_bench_load(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  options->scratch = fs::temp_directory_path().string();
  verb.add_option("MODEL", options->model.text, kModelHelp);
  add_revision(verb, options->model);
  verb.add_option("--shape", options->shape, "a published shape, as a seeded checkpoint that is written first");
  verb.add_option("--scratch", options->scratch, "where what is written goes; it is deleted at the end")
      ->capture_default_str();
  verb.add_option("--repeat", options->repeat, "rounds after the first")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  verb.add_flag("--second-start", options->second_start,
                "measure starts from packed weights too; they are kept in --scratch and deleted at the end");
  verb.add_flag("--json", options->json, "print JSON");
  add_model_options(verb, settings, options->engine);
  verb.footer("example: ganglion bench load --shape opt-1.3b --dtype f16");
  return [=, &settings] { return bench_load(*options, settings); };
}

}  // namespace ganglion::cli
