// `ganglion bench schedule`: what a step costs beside the model: choosing its tokens, moving on the sequences that ran,
// taking ended ones out and new ones in, and filling the step's inputs. No model runs; steps are said to take 20 ms.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "cli/bench.h"
#include "engine/scheduler.h"
#include "engine/step_inputs.h"

namespace ganglion::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::int64_t running = 256;
  std::int64_t waiting = 10'000;
  std::int64_t steps = 2'000;
  bool json = false;
};

constexpr std::int64_t kBlockSize = 32;
constexpr std::int64_t kPositions = 4096;

// How requests look and how much cache there is for them.
struct Traffic {
  const char* name;
  const char* summary;
  std::int64_t shortest_prompt, longest_prompt, shortest_answer, longest_answer;
  double cache;  // of what all running requests have in the middle of their answers
};
constexpr Traffic kTraffic[] = {
    {"decode", "all decode, none ends", 512, 512, 3500, 3500, 4},
    {"churn", "requests end and others begin, a third with a common beginning", 32, 1024, 16, 256, 4},
    {"pressure", "long answers in half the cache they want: preemption", 32, 128, 256, 1024, 0.5},
};

class Load {
 public:
  Load(const Traffic& traffic, const Options& options) : traffic_(traffic), options_(options) {}

  std::unique_ptr<engine::Sequence> sequence() {
    auto out = std::make_unique<engine::Sequence>();
    out->id = ++id_;
    const std::int64_t prompt = number(traffic_.shortest_prompt, traffic_.longest_prompt);
    const bool common = number(1, 3) == 1;
    for (std::int64_t i = 0; i < prompt; ++i)
      out->request.prompt.push_back(static_cast<std::int32_t>(common && i < 256 ? i : number(0, 50'000)));
    out->request.max_new_tokens = number(traffic_.shortest_answer, traffic_.longest_answer);
    out->tokens = out->request.prompt;
    out->tokens.reserve(static_cast<std::size_t>(prompt + out->request.max_new_tokens));
    return out;
  }
  engine::SchedulerOptions scheduler() const {
    const std::int64_t middle = (traffic_.shortest_prompt + traffic_.longest_prompt) / 2 +
                                (traffic_.shortest_answer + traffic_.longest_answer) / 4;
    const auto positions = static_cast<double>(options_.running * middle) * traffic_.cache;
    return {.max_sequences = options_.running,
            .max_batch_tokens = std::max<std::int64_t>(512, 2 * options_.running),
            .block_size = kBlockSize,
            .blocks = std::max(kPositions, static_cast<std::int64_t>(positions)) / kBlockSize};
  }

 private:
  std::int64_t number(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  const Traffic& traffic_;
  const Options& options_;
  std::mt19937_64 random_{1};
  engine::Engine::RequestId id_ = 0;
};

struct Figures {
  std::vector<double> scheduling, inputs;  // seconds of each step
  double running = 0;                      // on average
  engine::SchedulerCounts counts;
};

double percentile(std::vector<double> numbers, double part) {
  const auto at = static_cast<std::size_t>(part * static_cast<double>(numbers.size() - 1));
  std::nth_element(numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(at), numbers.end());
  return numbers[at];
}

Figures measure(const Traffic& traffic, const Options& options) {
  Load load(traffic, options);
  const engine::SchedulerOptions size = load.scheduler();
  engine::Scheduler scheduler(size);
  models::StepSize step;
  step.tokens = size.max_batch_tokens;
  step.sequences = step.logit_rows = size.max_sequences;
  step.block_size = size.block_size;
  step.max_blocks = kPositions / kBlockSize;
  engine::StepInputs inputs(step, /*lengths=*/false);
  for (std::int64_t i = 0; i < options.running + options.waiting; ++i) scheduler.add(load.sequence());

  Figures out;
  std::vector<std::unique_ptr<engine::Sequence>> arriving, gone;
  // Measured from the step on in which all have their prompts behind them, as far as the cache lets them.
  std::int64_t warm = 0;
  for (std::int64_t i = 0; i < warm + options.steps; ++i) {
    const auto begin = Clock::now();
    for (auto& sequence : arriving) scheduler.add(std::move(sequence));
    const std::vector<engine::Chunk> chunks = scheduler.next_batch();
    const auto chosen = Clock::now();
    inputs.fill(chunks);
    const auto filled = Clock::now();
    for (const engine::Chunk& chunk : chunks) {
      scheduler.computed(chunk);
      if (!chunk.last) continue;
      engine::Sequence& sequence = *chunk.sequence;
      sequence.tokens.push_back(static_cast<std::int32_t>(sequence.id % 50'000));
      if (sequence.new_tokens() == sequence.request.max_new_tokens) gone.push_back(scheduler.remove(sequence.id));
    }
    scheduler.step_took(0.02);
    const auto end = Clock::now();
    const bool prefills = std::any_of(chunks.begin(), chunks.end(), [](const auto& chunk) { return !chunk.last; });
    if (warm == i && traffic.shortest_answer > 1000 && (prefills || scheduler.running() < options.running)) ++warm;
    if (warm == i && traffic.shortest_answer <= 1000 && i < 500) ++warm;
    if (i >= warm) {
      out.scheduling.push_back(std::chrono::duration<double>((chosen - begin) + (end - filled)).count());
      out.inputs.push_back(std::chrono::duration<double>(filled - chosen).count());
      out.running += static_cast<double>(scheduler.running());
    }
    arriving.clear();
    for (std::size_t n = 0; n < gone.size(); ++n) arriving.push_back(load.sequence());
    gone.clear();
  }
  out.running /= static_cast<double>(options.steps);
  out.counts = scheduler.counts();
  return out;
}

int bench_schedule(const Options& options) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  if (!options.json) {
    std::printf("%s; us a step: median (99 %%, most)\n", cpu_name().c_str());
    std::printf("%-9s %8s %28s %28s %12s\n", "traffic", "running", "scheduling", "filling inputs", "preemptions");
  }
  for (const Traffic& traffic : kTraffic) {
    const Figures figures = measure(traffic, options);
    const auto us = [](const std::vector<double>& seconds, double part) { return 1e6 * percentile(seconds, part); };
    if (options.json) {
      const auto spread_of = [&](const std::vector<double>& seconds) {
        return nlohmann::ordered_json{
            {"median", us(seconds, 0.5)}, {"p99", us(seconds, 0.99)}, {"max", us(seconds, 1)}};
      };
      rows.push_back({{"traffic", traffic.name},
                      {"what", traffic.summary},
                      {"running", figures.running},
                      {"scheduling_us", spread_of(figures.scheduling)},
                      {"inputs_us", spread_of(figures.inputs)},
                      {"preemptions", figures.counts.preemptions}});
      continue;
    }
    std::printf("%-9s %8.1f %8.1f (%8.1f, %8.1f) %8.1f (%8.1f, %8.1f) %12lld  %s\n", traffic.name, figures.running,
                us(figures.scheduling, 0.5), us(figures.scheduling, 0.99), us(figures.scheduling, 1),
                us(figures.inputs, 0.5), us(figures.inputs, 0.99), us(figures.inputs, 1),
                static_cast<long long>(figures.counts.preemptions), traffic.summary);
  }
  if (options.json) {
    const nlohmann::ordered_json out = {{"benchmark", "schedule"},         {"cpu", cpu_name()},
                                        {"most_running", options.running}, {"waiting", options.waiting},
                                        {"steps", options.steps},          {"rows", rows}};
    std::printf("%s\n", out.dump(2).c_str());
  }
  return 0;
}

}  // namespace

Action add_bench_schedule(CLI::App& verb, const Settings&) {
  auto options = std::make_shared<Options>();
  verb.add_option("--running", options->running, "requests that run at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  verb.add_option("--waiting", options->waiting, "requests in the queue")
      ->capture_default_str()
      ->check(CLI::Range(0, 1'000'000));
  verb.add_option("--steps", options->steps, "steps to time")->capture_default_str()->check(CLI::Range(1, 1'000'000));
  verb.add_flag("--json", options->json, "print JSON");
  verb.footer("example: ganglion bench schedule --running 256");
  return [=] { return bench_schedule(*options); };
}

}  // namespace ganglion::cli
