#include "runtime/limits.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>

#include "base/thread_pool.h"
#include "kernels/roofline.h"

namespace ganglion::runtime {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kLeastShare = 64 << 10;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

// `work(thread)` says how much it did; returns what was done per second, in each repeat.
std::vector<double> rates(ThreadPool& pool, int repeats, const std::function<double(int)>& work) {
  std::vector<double> out;
  for (int i = 0; i < repeats; ++i) {
    std::vector<double> done(static_cast<std::size_t>(pool.threads()));
    const auto begin = Clock::now();
    pool.run([&](int thread) { done[static_cast<std::size_t>(thread)] = work(thread); });
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    double all = 0;
    for (const double amount : done) all += amount;
    out.push_back(all / seconds);
  }
  return out;
}

}  // namespace

Limits measure_limits(ThreadPool& pool, std::span<const std::byte> memory, int repeats, std::int64_t rounds) {
  Limits out;
  const auto threads = static_cast<std::size_t>(pool.threads());
  const std::size_t share = memory.size() / threads / 4096 * 4096;
  std::vector<std::uint64_t> sums(threads * 8);  // a cache line for each
  const int loops = share < kLeastShare ? 0 : static_cast<int>(kernels::ReadLoop::kCount);
  for (int loop = 0; loop < loops; ++loop) {
    const auto kind = static_cast<kernels::ReadLoop>(loop);
    std::vector<double> values = rates(pool, repeats, [&](int thread) {
      const auto t = static_cast<std::size_t>(thread);
      sums[t * 8] += kernels::read_memory(kind, memory.data() + t * share, share);
      return static_cast<double>(share);
    });
    if (median(values) > out.bandwidth) {
      out.bandwidth = median(values);
      out.bandwidth_loop = kernels::read_loop_name(kind);
    }
    out.rows.push_back({std::string("read, ") + kernels::read_loop_name(kind), "GB/s", 1e9, std::move(values)});
  }
  const auto arithmetic = [&](const std::string& name, double (*loop)(std::int64_t) noexcept, std::int64_t count) {
    std::vector<double> values = rates(pool, repeats, [&](int) { return loop(count); });
    const double value = median(values);
    out.rows.push_back({name, "GFLOP/s", 1e9, std::move(values)});
    return value;
  };
  out.peak_isa = kernels::multiply_add_isa();
  out.peak_flops = arithmetic("f32 multiply-add, " + out.peak_isa, kernels::multiply_add, rounds);
  if (kernels::has_tiles()) {
    // A round of tiles takes some ten times as long.
    const std::int64_t few = std::max<std::int64_t>(1, rounds / 10);
    out.tile_flops = arithmetic("bf16 products, amx", kernels::tile_multiply_add, few);
    out.whole_tile_flops = arithmetic("s8 products, amx", kernels::tile_multiply_add_whole, few);
  }
  if (kernels::has_whole_products())
    out.whole_flops = arithmetic("s8 products, avx512_vnni", kernels::multiply_add_whole, rounds);
  return out;
}

}  // namespace ganglion::runtime
