// `ganglion bench roofline`: what this machine can do, as the denominator of every other benchmark.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/cores.h"
#include "base/thread_pool.h"
#include "cli/bench.h"
#include "kernels/roofline.h"
#include "tensor/tensor.h"

namespace ganglion::cli {
namespace {

constexpr std::size_t kBytes = std::size_t{2} << 30;  // far beyond any cache
constexpr int kRepeats = 5;

using Clock = std::chrono::steady_clock;

double seconds_of(const std::function<void()>& work) {
  const auto begin = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Options {
  int threads = 1;
  bool json = false;
};

int bench_roofline(const Options& options) {
  ThreadPool pool(options.threads);
  const Roofline roofline = measure_roofline(pool);
  if (options.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const auto& row : roofline.rows) {
      rows.push_back({{"name", row.name},
                      {"unit", row.unit},
                      {"median", row.value.median},
                      {"min", row.value.min},
                      {"max", row.value.max}});
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
    std::printf("%-32s %10.1f %10.1f %10.1f  %s\n", row.name.c_str(), row.value.median / 1e9, row.value.min / 1e9,
                row.value.max / 1e9, row.unit.c_str());
  }
  return 0;
}

}  // namespace

Roofline measure_roofline(ThreadPool& pool) {
  Roofline out;
  const auto threads = static_cast<std::size_t>(pool.threads());
  const std::size_t share = kBytes / threads / 4096 * 4096;
  // The first touch happens in the thread that reads: the pages are where its reads are.
  Buffer memory(share * threads);
  pool.run(
      [&](int thread) { std::memset(memory.data() + static_cast<std::size_t>(thread) * share, thread + 1, share); });
  for (int loop = 0; loop < static_cast<int>(kernels::ReadLoop::kCount); ++loop) {
    const auto kind = static_cast<kernels::ReadLoop>(loop);
    std::vector<double> rates;
    for (int i = 0; i < kRepeats; ++i) {
      std::vector<std::uint64_t> sums(threads);
      const double seconds = seconds_of([&] {
        pool.run([&](int thread) {
          const auto t = static_cast<std::size_t>(thread);
          sums[t] = kernels::read_memory(kind, memory.data() + t * share, share);
        });
      });
      rates.push_back(static_cast<double>(share * threads) / seconds);
    }
    const Spread value = spread(rates);
    out.rows.push_back({std::string("read, ") + kernels::read_loop_name(kind), "GB/s", value});
    if (value.median > out.bandwidth) {
      out.bandwidth = value.median;
      out.bandwidth_loop = kernels::read_loop_name(kind);
    }
  }
  const auto peak = [&](double (*loop)(std::int64_t) noexcept, std::int64_t rounds) {
    std::vector<double> rates;
    for (int i = 0; i < kRepeats; ++i) {
      std::vector<double> done(threads);
      const double seconds =
          seconds_of([&] { pool.run([&](int thread) { done[static_cast<std::size_t>(thread)] = loop(rounds); }); });
      double all = 0;
      for (const double flops : done) all += flops;
      rates.push_back(all / seconds);
    }
    return spread(rates);
  };
  out.peak_isa = kernels::multiply_add_isa();
  out.rows.push_back({"f32 multiply-add, " + out.peak_isa, "GFLOP/s", peak(kernels::multiply_add, 10'000'000)});
  out.peak_flops = out.rows.back().value.median;
  if (kernels::has_tiles()) {
    out.rows.push_back({"bf16 products, amx", "GFLOP/s", peak(kernels::tile_multiply_add, 1'000'000)});
    out.tile_flops = out.rows.back().value.median;
  }
  return out;
}

Action add_bench_roofline(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  options->threads = static_cast<int>(settings.integer("GANGLION_THREADS", 1, 1024).value_or(available_cores()));
  verb.add_option("--threads", options->threads, "threads")->capture_default_str()->check(CLI::Range(1, 1024));
  verb.add_flag("--json", options->json, "print JSON");
  return [=] { return bench_roofline(*options); };
}

}  // namespace ganglion::cli
