// `ganglion bench roofline`: what this machine can do, as the denominator of every other benchmark.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/cores.h"
#include "base/thread_pool.h"
#include "cli/bench.h"
#include "tensor/tensor.h"

namespace ganglion::cli {
namespace {

constexpr std::size_t kBytes = std::size_t{2} << 30;  // far beyond any cache
constexpr int kRepeats = 5;
constexpr std::int64_t kRounds = 10'000'000;

struct Options {
  int threads = 1;
  bool json = false;
};

int bench_roofline(const Options& options) {
  ThreadPool pool(options.threads);
  const runtime::Limits roofline = measure_roofline(pool);
  if (options.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const auto& row : roofline.rows) {
      const Spread value = spread(row.values);
      rows.push_back(
          {{"name", row.name}, {"unit", row.unit}, {"median", value.median}, {"min", value.min}, {"max", value.max}});
    }
    const nlohmann::json out = {{"cpu", cpu_name()},
                                {"threads", options.threads},
                                {"bandwidth_bytes_per_second", roofline.bandwidth},
                                {"peak_flops_per_second", roofline.peak_flops},
                                {"peak_isa", roofline.peak_isa},
                                {"measured", rows}};
    std::printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  std::printf("%s, %d threads\n%-32s %10s %10s %10s\n", cpu_name().c_str(), options.threads, "", "median", "min",
              "max");
  for (const auto& row : roofline.rows) {
    const Spread value = spread(row.values);
    std::printf("%-32s %10.1f %10.1f %10.1f  %s\n", row.name.c_str(), value.median / row.scale, value.min / row.scale,
                value.max / row.scale, row.unit.c_str());
  }
  return 0;
}

}  // namespace

runtime::Limits measure_roofline(ThreadPool& pool) {
  const auto threads = static_cast<std::size_t>(pool.threads());
  const std::size_t share = kBytes / threads / 4096 * 4096;
  // The first touch happens in the thread that reads: the pages are where its reads are.
  Buffer memory(share * threads);
  pool.run(
      [&](int thread) { std::memset(memory.data() + static_cast<std::size_t>(thread) * share, thread + 1, share); });
  return runtime::measure_limits(pool, {memory.data(), share * threads}, kRepeats, kRounds);
}

Action add_bench_roofline(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  options->threads = static_cast<int>(settings.integer("GANGLION_THREADS", 1, 1024).value_or(available_cores()));
  verb.add_option("--threads", options->threads, "threads")->capture_default_str()->check(CLI::Range(1, 1024));
  verb.add_flag("--json", options->json, "print JSON");
  return [=] { return bench_roofline(*options); };
}

}  // namespace ganglion::cli
