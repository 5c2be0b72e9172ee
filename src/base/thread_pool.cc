#include "base/thread_pool.h"

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <string>

#include "base/error.h"

namespace ganglion {
namespace {

constexpr auto kSpin = std::chrono::microseconds(50);

// Waits until value != old: spins for kSpin, then parks.
void await_change(const std::atomic<std::uint32_t>& value, std::uint32_t old) noexcept {
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    for (int i = 0; i < 64; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      _mm_pause();
    }
    if (std::chrono::steady_clock::now() - start > kSpin) break;
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

// cgroup v2 "max 100000" or "200000 100000"; 0 when there is no quota.
double cgroup_cpu_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (file >> quota >> period && quota != "max" && period > 0) return std::atof(quota.c_str()) / period;
  return 0;
}

}  // namespace

void SpinBarrier::wait() noexcept {
  if (threads_ == 1) return;
  const std::uint32_t phase = phase_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == threads_ - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.fetch_add(1, std::memory_order_acq_rel);
    phase_.notify_all();
    return;
  }
  await_change(phase_, phase);
}

ThreadPool::ThreadPool(int threads) : threads_(threads), barrier_(threads) {
  if (threads < 1) fail(Code::kInvalidArgument, "[thread pool] threads={}: at least 1 is wanted", threads);
  for (int thread = 1; thread < threads; ++thread) {
    workers_.emplace_back([this, thread] { worker(thread); });
    pthread_setname_np(workers_.back().native_handle(), ("compute-" + std::to_string(thread)).c_str());
  }
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& thread : workers_) thread.join();
}

void ThreadPool::run(const std::function<void(int)>& job) {
  std::lock_guard<std::mutex> turn(turn_);
  if (threads_ == 1) {
    job(0);
    return;
  }
  job_ = &job;
  running_.store(threads_ - 1, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  std::exception_ptr own;
  try {
    job(0);
  } catch (...) {
    own = std::current_exception();
  }
  for (int left = running_.load(std::memory_order_acquire); left != 0;
       left = running_.load(std::memory_order_acquire)) {
    const auto start = std::chrono::steady_clock::now();
    while (running_.load(std::memory_order_acquire) == left && std::chrono::steady_clock::now() - start < kSpin)
      _mm_pause();
    if (running_.load(std::memory_order_acquire) == left) running_.wait(left, std::memory_order_acquire);
  }
  job_ = nullptr;
  std::exception_ptr failure = own;
  {
    std::lock_guard<std::mutex> lock(failure_mutex_);
    if (!failure) failure = failure_;
    failure_ = nullptr;
  }
  if (failure) std::rethrow_exception(failure);
}

void ThreadPool::worker(int thread) {
  std::uint32_t seen = 0;
  for (;;) {
    await_change(generation_, seen);
    ++seen;
    if (stopping_.load(std::memory_order_acquire)) return;
    try {
      (*job_)(thread);
    } catch (...) {
      std::lock_guard<std::mutex> lock(failure_mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
    running_.fetch_sub(1, std::memory_order_acq_rel);
    running_.notify_one();
  }
}

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) cores = std::max(1, CPU_COUNT(&set));
  if (const double quota = cgroup_cpu_quota(); quota > 0) {
    cores = std::clamp(static_cast<int>(std::ceil(quota)), 1, cores);
  }
  return cores;
}

Range split_range(std::int64_t count, int parts, int part, std::int64_t step) noexcept {
  const std::int64_t units = (count + step - 1) / step;
  const std::int64_t begin = units * part / parts * step;
  const std::int64_t end = units * (part + 1) / parts * step;
  return {std::min(begin, count), std::min(end, count)};
}

}  // namespace ganglion
