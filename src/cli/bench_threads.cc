// `ganglion bench threads`: whether decoding keeps its speed where threads have to share cores: with each other, or
// with a process that never rests.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <csignal>
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

namespace ganglion::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kLeast = 0.9;  // of the rate of one thread on one core

struct Options {
  std::string shape = "opt-125m";
  ModelSource model;
  std::int64_t prompt = 16;
  std::int64_t steps = 64;
  int repeat = 5;
  bool json = false;
  ModelOptions engine;
};

// Threads started while it lives may run on the first `cores` cores of the mask that this thread had, and so may this
// thread.
class OnCores {
 public:
  explicit OnCores(int cores) {
    if (sched_getaffinity(0, sizeof(before_), &before_) != 0 || CPU_COUNT(&before_) < cores)
      fail(Code::kUnavailable, "[bench threads] {} cores are wanted, this process may use {}", cores,
           available_cores());
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&set) < cores; ++core) {
      if (CPU_ISSET(core, &before_)) CPU_SET(core, &set);
    }
    sched_setaffinity(0, sizeof(set), &set);
  }
  ~OnCores() { sched_setaffinity(0, sizeof(before_), &before_); }
  OnCores(const OnCores&) = delete;

 private:
  cpu_set_t before_;
};

// A process that counts for ever.
class BusyNeighbour {
 public:
  BusyNeighbour() : process_(fork()) {
    if (process_ < 0) fail(Code::kUnavailable, "[bench threads] no second process could be started");
    if (process_ > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (volatile std::uint64_t count = 0;;) count = count + 1;
  }
  ~BusyNeighbour() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  BusyNeighbour(const BusyNeighbour&) = delete;

 private:
  const pid_t process_;
};

struct Case {
  const char* name;
  int threads, cores;
  bool neighbour;
};
constexpr Case kCases[] = {{"1 thread on 1 core", 1, 1, false},
                           {"2 threads on 1 core", 2, 1, false},
                           {"2 threads on 2 cores", 2, 2, false},
                           {"2 on 2, busy neighbour", 2, 2, true}};

// An engine whose threads may run on so many cores.
struct Crew {
  Crew(const Case& which, const BenchModel& model, const Options& options) {
    const OnCores on(which.cores);
    pool = std::make_unique<ThreadPool>(which.threads, [] { return available_cores(); });
    engine::EngineOptions engine_options = engine_options_of(options.engine, *pool);
    engine_options.max_sequences = 1;
    engine_options.prefix_cache = false;
    const std::int64_t positions = options.prompt + options.steps + 2;
    if (engine_options.n_positions == 0) engine_options.n_positions = positions;
    engine_options.cache_tokens = positions + engine_options.block_size;
    engine = std::make_unique<engine::Engine>(model.config, model.weights, engine_options);
  }
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<engine::Engine> engine;
};

int bench_threads(const Options& options, const Settings& settings) {
  const BenchModel model = open_bench_model(options.shape, options.model, settings, "bench threads");
  std::vector<std::unique_ptr<Crew>> crews;
  for (const Case& each : kCases) crews.push_back(std::make_unique<Crew>(each, model, options));
  std::vector<std::vector<double>> rates(std::size(kCases));
  for (int round = -1; round < options.repeat; ++round) {  // the first one warms up
    for (std::size_t i = 0; i < std::size(kCases); ++i) {
      std::unique_ptr<BusyNeighbour> neighbour;
      if (kCases[i].neighbour) neighbour = std::make_unique<BusyNeighbour>();
      const auto times = run_equal_requests(
          *crews[i]->engine,
          {.count = 1, .prompt = options.prompt, .vocab = model.config.vocab, .new_tokens = options.steps + 1})[0];
      const std::chrono::duration<double> taken = times.back() - times[1];
      if (round >= 0) rates[i].push_back(static_cast<double>(options.steps) / taken.count());
    }
  }
  const double one = spread(rates[0]).median;
  if (!options.json) {
    std::printf("%s; decode of %s, %s; %d rounds of %lld tokens\n", cpu_name().c_str(), model.name.c_str(),
                options.engine.dtype.c_str(), options.repeat, static_cast<long long>(options.steps));
  }
  Json rows = Json::array();
  for (std::size_t i = 0; i < std::size(kCases); ++i) {
    const Spread rate = spread(rates[i]);
    const double of_one = rate.median / one;
    if (options.json) {
      rows.push_back({{"case", kCases[i].name},
                      {"tokens_per_second", {{"median", rate.median}, {"min", rate.min}, {"max", rate.max}}},
                      {"of_one_thread", of_one},
                      {"ratio_to_limit", of_one / kLeast}});
      continue;
    }
    std::printf("%-24s %10.2f tokens/s (%.2f to %.2f)  %5.1f %% of one thread; the least is %.0f %%: %.2f of it\n",
                kCases[i].name, rate.median, rate.min, rate.max, 100 * of_one, 100 * kLeast, of_one / kLeast);
  }
  if (options.json) {
    const Json out = {
        {"benchmark", "threads"}, {"model", model.name},      {"dtype", options.engine.dtype}, {"cpu", cpu_name()},
        {"steps", options.steps}, {"repeat", options.repeat}, {"least_of_one_thread", kLeast}, {"rows", rows}};
    std::printf("%s\n", out.dump(2).c_str());
  }
  return 0;
}

}  // namespace

Action add_bench_threads(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  add_shape_or_model(verb, options->shape, options->model);
  verb.add_option("--prompt", options->prompt, "prompt tokens")->capture_default_str()->check(CLI::Range(1, 1 << 20));
  verb.add_option("--steps", options->steps, "tokens of each round")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  verb.add_option("--repeat", options->repeat, "rounds after the first")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  verb.add_flag("--json", options->json, "print JSON");
  add_model_options(verb, settings, options->engine);
  verb.footer("example: ganglion bench threads --model share/opt-demo --dtype f16 --steps 400");
  return [=, &settings] { return bench_threads(*options, settings); };
}

}  // namespace ganglion::cli
