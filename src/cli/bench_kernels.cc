// `ganglion bench kernels`: each kernel of a table on fixed sizes, against the measured limits of this machine.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/cores.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/bench.h"
#include "cli/kernel_cases.h"
#include "kernels/table.h"

namespace ganglion::cli {
namespace {

using Clock = std::chrono::steady_clock;

// A layer of a model of 1.3e9 parameters, and enough of them that no cache of usual size holds the weights.
constexpr KernelSizes kSizes = {.n = 2048,
                                .k = 2048,
                                .rows = 256,
                                .weight_bytes = std::int64_t{1} << 30,
                                .heads = 32,
                                .kv_heads = 32,
                                .head_dim = 64,
                                .sequences = 16,
                                .context = 2048,
                                .prompt = 512,
                                .norm_rows = 4096,
                                .cols = 2048};
constexpr int kRepeats = 5;
constexpr double kLeastSeconds = 0.02;  // of one measurement

struct Options {
  int threads = 1;
  std::string isa, only;
  bool json = false;
};

// Seconds of one call, of each repeat.
std::vector<double> time_of(const KernelCase& kernel, ThreadPool& pool) {
  const auto seconds_of = [&](int calls) {
    const auto begin = Clock::now();
    pool.run([&](int thread) {
      for (int i = 0; i < calls; ++i) kernel.call(thread);
    });
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  seconds_of(1);
  const double once = seconds_of(1);
  const int calls = once >= kLeastSeconds ? 1 : static_cast<int>(kLeastSeconds / std::max(once, 1e-7)) + 1;
  std::vector<double> out;
  for (int i = 0; i < kRepeats; ++i) out.push_back(seconds_of(calls) / calls);
  return out;
}

int bench_kernels(const Options& options) {
  const kernels::Table* table = kernels::find_table(options.isa);
  if (table == nullptr) {
    fail(Code::kInvalidArgument,
         "[bench kernels] --isa {}: no such kernel table, or this CPU cannot run it (see `ganglion inspect isa`)",
         options.isa);
  }
  ThreadPool pool(options.threads);
  const runtime::Limits limits = measure_roofline(pool);
  nlohmann::json rows = nlohmann::json::array();
  if (!options.json) {
    std::printf("%s, %d threads, %s; reads %.1f GB/s, %.1f GFLOP/s f32 (%s)", cpu_name().c_str(), options.threads,
                std::string(table->isa).c_str(), limits.bandwidth / 1e9, limits.peak_flops / 1e9,
                limits.peak_isa.c_str());
    if (limits.tile_flops > 0) std::printf(", %.1f bf16 on tiles", limits.tile_flops / 1e9);
    std::printf("\n%-26s %10s %10s %10s %10s\n", "", "GB/s", "GFLOP/s", "limit %", "spread %");
  }
  for (const KernelCaseMaker& maker : kernel_cases(*table, kSizes)) {
    if (maker.name.find(options.only) == std::string::npos) continue;
    const KernelCase kernel = maker.make(options.threads);
    const Spread seconds = spread(time_of(kernel, pool));
    const double memory = kernel.work.bytes / limits.bandwidth;
    const double arithmetic = kernel.work.flops / limits.flops_of(kernel.isa, kernel.storage);
    const double fraction = std::max(memory, arithmetic) / seconds.median;
    if (!options.json) {
      std::printf("%-26s %10.1f %10.1f %8.1f %c %10.1f\n", maker.name.c_str(), kernel.work.bytes / seconds.median / 1e9,
                  kernel.work.flops / seconds.median / 1e9, 100 * fraction, memory >= arithmetic ? 'm' : 'a',
                  100 * (seconds.max - seconds.min) / seconds.median);
      std::fflush(stdout);
      continue;
    }
    rows.push_back({{"kernel", maker.name},
                    {"seconds", {{"median", seconds.median}, {"min", seconds.min}, {"max", seconds.max}}},
                    {"bytes", kernel.work.bytes},
                    {"flops", kernel.work.flops},
                    {"bytes_per_second", kernel.work.bytes / seconds.median},
                    {"flops_per_second", kernel.work.flops / seconds.median},
                    {"bound", memory >= arithmetic ? "memory" : "arithmetic"},
                    {"fraction_of_limit", fraction}});
  }
  if (options.json) {
    const nlohmann::json out = {{"benchmark", "kernels"},
                                {"cpu", cpu_name()},
                                {"threads", options.threads},
                                {"isa", table->isa},
                                {"bandwidth_bytes_per_second", limits.bandwidth},
                                {"peak_flops_per_second", limits.peak_flops},
                                {"tile_flops_per_second", limits.tile_flops},
                                {"kernels", rows}};
    std::printf("%s\n", out.dump(2).c_str());
  } else {
    std::printf("limit %%: of what the machine can do, m by the kernel's bytes, a by its arithmetic\n");
  }
  return 0;
}

}  // namespace

Action add_bench_kernels(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  options->threads = static_cast<int>(settings.integer("GANGLION_THREADS", 1, 1024).value_or(available_cores()));
  options->isa = settings.value("GANGLION_ISA");
  verb.add_option("--threads", options->threads, "threads")->capture_default_str()->check(CLI::Range(1, 1024));
  verb.add_option("--isa", options->isa, "kernel table: scalar, avx2, avx512, avx512_vnni or amx (default: the best)");
  verb.add_option("--only", options->only, "kernels whose name has this in it, as 'matmul s8'");
  verb.add_flag("--json", options->json, "print JSON");
  verb.footer("example: ganglion bench kernels --isa avx2 --only matmul");
  return [=] { return bench_kernels(*options); };
}

}  // namespace ganglion::cli
