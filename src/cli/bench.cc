#include "cli/bench.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <memory>
#include <utility>

namespace ganglion::cli {

Spread spread(std::vector<double> numbers) {
  std::sort(numbers.begin(), numbers.end());
  const std::size_t n = numbers.size();
  const double median = n % 2 == 1 ? numbers[n / 2] : (numbers[n / 2 - 1] + numbers[n / 2]) / 2;
  return {median, numbers.front(), numbers.back()};
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) != 0) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

Action add_bench(CLI::App& verb, const Settings& settings) {
  struct Row {
    const char* name;
    const char* summary;
    Action (*add)(CLI::App&, const Settings&);
  };
  constexpr Row kRows[] = {
      {"roofline", "read bandwidth and arithmetic peak of this machine", add_bench_roofline},
      {"kernels", "each kernel on fixed sizes, against bandwidth and peak", add_bench_kernels},
      {"decode", "tokens per second after the prompt, against the read bandwidth", add_bench_decode},
      {"prefill", "prompt tokens per second, against the arithmetic peak", add_bench_prefill},
      {"load", "from nothing to ready, against reading the file and touching the memory", add_bench_load},
      {"overhead", "what a decode step spends outside of kernels, and on what", add_bench_overhead},
      {"threads", "decoding where threads share cores, with each other or a busy process", add_bench_threads},
      {"compile", "writing and compiling the step of a model; the size of the program", add_bench_compile},
      {"tokenize", "megabytes of text per second to ids and back, on one thread", add_bench_tokenize},
      {"schedule", "what choosing the tokens of a step costs", add_bench_schedule},
      {"prefix", "time to the first token with and without a cached beginning", add_bench_prefix},
      {"mixed", "requests at random times: the server over HTTP against the engine", add_bench_mixed},
      {"serve", "load on a running server: latencies and tokens per second", add_bench_serve},
  };
  verb.require_subcommand(1);
  auto actions = std::make_shared<std::vector<std::pair<CLI::App*, Action>>>();
  for (const Row& row : kRows) {
    CLI::App* benchmark = verb.add_subcommand(row.name, row.summary);
    actions->emplace_back(benchmark, row.add(*benchmark, settings));
  }
  verb.footer("example: ganglion bench decode --shape opt-125m --dtype f16");
  return [actions] {
    for (const auto& [benchmark, action] : *actions) {
      if (benchmark->parsed()) return action();
    }
    return 0;
  };
}

}  // namespace ganglion::cli
