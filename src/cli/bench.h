// What the benchmarks share: the measured limits of this machine, spreads, and how results are printed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/settings.h"
#include "cli/verb.h"
#include "runtime/limits.h"

namespace ganglion {
class ThreadPool;
}

namespace ganglion::cli {

struct Spread {
  double median = 0, min = 0, max = 0;
};
// Of at least one number.
Spread spread(std::vector<double> numbers);

// The limits of this machine, measured now with all threads of the pool, over 2 GiB.
runtime::Limits measure_roofline(ThreadPool& pool);

// "AMD EPYC 9R14" as /proc/cpuinfo says it.
std::string cpu_name();

Action add_bench_roofline(CLI::App& verb, const Settings& settings);
Action add_bench_kernels(CLI::App& verb, const Settings& settings);
Action add_bench_decode(CLI::App& verb, const Settings& settings);
Action add_bench_prefill(CLI::App& verb, const Settings& settings);
Action add_bench_load(CLI::App& verb, const Settings& settings);
Action add_bench_overhead(CLI::App& verb, const Settings& settings);
Action add_bench_threads(CLI::App& verb, const Settings& settings);
Action add_bench_compile(CLI::App& verb, const Settings& settings);
Action add_bench_tokenize(CLI::App& verb, const Settings& settings);
Action add_bench_schedule(CLI::App& verb, const Settings& settings);
Action add_bench_prefix(CLI::App& verb, const Settings& settings);
Action add_bench_mixed(CLI::App& verb, const Settings& settings);
Action add_bench_serve(CLI::App& verb, const Settings& settings);

}  // namespace ganglion::cli
