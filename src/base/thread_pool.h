// A fixed pool of compute threads that run one function together and meet at barriers. Made for steps of tens of
// microseconds: waiting threads spin for about 50 us and then park on a futex, so an idle pool costs nothing and a busy
// one does not go through the kernel. Not a task queue: there is one job at a time, given by one caller at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace ganglion {

// A reusable barrier for a fixed number of threads: spins briefly, then parks. wait() is a full memory fence.
class SpinBarrier {
 public:
  explicit SpinBarrier(int threads) : threads_(threads) {}
  void wait() noexcept;

 private:
  const int threads_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> phase_{0};
};

class ThreadPool {
 public:
  // threads >= 1; the caller of run() is one of them, so threads - 1 are started.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const noexcept { return threads_; }

  // Runs job(thread) once on every thread, thread in [0, threads()), and returns when all have returned. The first
  // exception thrown by a thread is rethrown here, after all have returned; a job that calls barrier() must not throw.
  // Several callers take turns (a mutex): steps of two models never overlap on the same threads.
  void run(const std::function<void(int thread)>& job);

  // To be called by every thread inside a job, the same number of times.
  void barrier() noexcept { barrier_.wait(); }

 private:
  void worker(int thread);

  const int threads_;
  SpinBarrier barrier_;
  std::mutex turn_;
  const std::function<void(int)>* job_ = nullptr;
  std::atomic<std::uint32_t> generation_{0};
  std::atomic<int> running_{0};
  std::atomic<bool> stopping_{false};
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
  std::vector<std::thread> workers_;
};

// The number of compute threads to use when nobody says: the cores this process may run on (affinity mask and cgroup
// CPU quota respected), at least 1.
int available_cores();

// Splits [0, count) in `parts` contiguous ranges of nearly equal size, each a multiple of `step` but the last; returns
// the range of `part` as {begin, end}, possibly empty.
struct Range {
  std::int64_t begin;
  std::int64_t end;
};
Range split_range(std::int64_t count, int parts, int part, std::int64_t step = 1) noexcept;

}  // namespace ganglion
