// A fixed pool of compute threads that run one function together and meet at barriers. Made for steps of tens of
// microseconds: waiting threads spin for about 50 us and then park on a futex, so an idle pool costs nothing and a busy
// one does not go through the kernel. Where threads outnumber cores nobody spins: who waits lets others run. Not a task
// queue: there is one job at a time, given by one caller at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/team_size.h"

namespace ganglion {

class ThreadPool {
 public:
  // threads >= 1; the caller of run() is one of them, so threads - 1 are started. cores: how many cores there are for
  // them now (available_cores), asked again about once a second; team() never says more than that, and leaves out
  // threads that other processes push off their cores (TeamSize). None: team() is threads(), and the machine's cores
  // decide only how threads wait.
  explicit ThreadPool(int threads, std::function<int()> cores = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const noexcept { return threads_; }

  // How many threads are worth running together now: threads that meet often and have no core of their own only hold
  // each other up. 1 to threads(). To be called by one thread at a time.
  int team();

  // Runs job(thread) once on every thread, thread in [0, team), and returns when all have returned. The first exception
  // thrown by a thread is rethrown here, after all have returned; a job that calls barrier() must not throw. Several
  // callers take turns (a mutex): steps of two models never overlap on the same threads. team: 1 to threads().
  void run(int team, const std::function<void(int thread)>& job);
  void run(const std::function<void(int thread)>& job) { run(threads_, job); }

  // To be called by every thread of the team inside a job, the same number of times, with its own number. A full memory
  // fence.
  void barrier(int thread) noexcept;

 private:
  // How often a thread has come to a barrier of this job. Each on a cache line of its own: who arrives writes one line,
  // who waits reads the others' lines, and there is no counter to fight over.
  struct alignas(64) Arrivals {
    std::atomic<std::uint32_t> count{0};
  };

  void worker(int thread);
  void look_at_cores();
  std::vector<std::int64_t> waited_for_cores() const;

  const int threads_;
  const std::function<int()> count_cores_;
  int cores_ = 1;
  std::chrono::steady_clock::time_point cores_counted_{};
  TeamSize team_size_;
  std::chrono::steady_clock::duration worked_{};  // in jobs of team() threads, since waited_ was read
  std::vector<std::int64_t> waited_;              // for a core, by thread; empty: to be read
  std::vector<std::atomic<int>> ids_;  // of the threads, as the kernel has them; the first is the last caller's
  std::vector<Arrivals> arrivals_;
  std::mutex turn_;
  // Of the job: written by its caller while no thread is in a job.
  const std::function<void(int)>* job_ = nullptr;
  int team_ = 1;
  bool spin_ = true;  // also how threads wait for the next job
  alignas(64) std::atomic<std::uint32_t> generation_{0};
  alignas(64) std::atomic<std::uint32_t> running_{0};
  std::atomic<bool> stopping_{false};
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
  std::vector<std::thread> workers_;
};

// Splits [0, count) in `parts` contiguous ranges of nearly equal size, each a multiple of `step` but the last; returns
// the range of `part` as {begin, end}, possibly empty.
struct Range {
  std::int64_t begin;
  std::int64_t end;
};
Range split_range(std::int64_t count, int parts, int part, std::int64_t step = 1) noexcept;

}  // namespace ganglion
