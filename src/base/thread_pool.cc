#include "base/thread_pool.h"

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/cores.h"
#include "base/error.h"

namespace ganglion {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kSpin = std::chrono::microseconds(50);
constexpr int kPausesBetweenLooks = 64;  // at the clock, which takes as long as a barrier
constexpr int kYields = 8;
constexpr auto kCoresHold = std::chrono::seconds(1);

// Waits until done(value), which can only become true when the value changes and its writer notifies: spins for kSpin,
// or lets other threads have the core a few times, then parks.
template <typename Done>
void await(const std::atomic<std::uint32_t>& value, bool spin, const Done& done) noexcept {
  const auto is_done = [&] { return done(value.load(std::memory_order_acquire)); };
  if (is_done()) return;
  if (spin) {
    Clock::time_point end{};
    do {
      for (int i = 0; i < kPausesBetweenLooks; ++i) {
        _mm_pause();
        if (is_done()) return;
      }
      if (end == Clock::time_point{}) end = Clock::now() + kSpin;
    } while (Clock::now() < end);
  } else {
    for (int i = 0; i < kYields; ++i) {
      sched_yield();
      if (is_done()) return;
    }
  }
  for (std::uint32_t seen = value.load(std::memory_order_acquire); !done(seen);
       seen = value.load(std::memory_order_acquire)) {
    value.wait(seen, std::memory_order_acquire);
  }
}

}  // namespace

ThreadPool::ThreadPool(int threads, std::function<int()> cores)
    : threads_(threads),
      count_cores_(std::move(cores)),
      team_size_(threads),
      ids_(static_cast<std::size_t>(std::max(threads, 1))),
      arrivals_(static_cast<std::size_t>(std::max(threads, 1))) {
  if (threads < 1) fail(Code::kInvalidArgument, "[thread pool] threads={}: at least 1 is wanted", threads);
  cores_ = count_cores_ ? count_cores_() : available_cores();
  cores_counted_ = Clock::now();
  spin_ = threads <= cores_;
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

int ThreadPool::team() {
  if (threads_ == 1 || !count_cores_) return threads_;
  const std::lock_guard<std::mutex> turn(turn_);
  look_at_cores();
  return std::clamp(cores_, 1, team_size_.size());
}

void ThreadPool::look_at_cores() {
  const auto now = Clock::now();
  if (now - cores_counted_ > kCoresHold) {
    cores_ = count_cores_();
    cores_counted_ = now;
  }
  const int team = std::clamp(cores_, 1, team_size_.size());
  if (team_size_.try_again(now)) waited_.clear();
  if (const int caller = gettid(); ids_[0].exchange(caller, std::memory_order_relaxed) != caller) waited_.clear();
  if (waited_.empty()) {
    waited_ = waited_for_cores();
    worked_ = {};
    return;
  }
  if (team == 1 || worked_ < TeamSize::kLook) return;
  std::vector<std::int64_t> waited = waited_for_cores();
  std::vector<Clock::duration> since;
  for (std::size_t i = 0; i < static_cast<std::size_t>(team); ++i)
    since.push_back(std::chrono::nanoseconds(waited[i] - waited_[i]));
  team_size_.observe(now, worked_, since);
  waited_ = std::move(waited);
  worked_ = {};
}

std::vector<std::int64_t> ThreadPool::waited_for_cores() const {
  std::vector<std::int64_t> out;
  for (int thread = 0; thread < threads_; ++thread)
    out.push_back(waited_for_core(ids_[static_cast<std::size_t>(thread)].load(std::memory_order_relaxed)));
  return out;
}

void ThreadPool::run(int team, const std::function<void(int)>& job) {
  const std::lock_guard<std::mutex> turn(turn_);
  if (team <= 1) {
    team_ = 1;
    job(0);
    return;
  }
  job_ = &job;
  team_ = team;
  spin_ = team <= cores_;
  const auto begin = Clock::now();
  for (Arrivals& arrivals : arrivals_) arrivals.count.store(0, std::memory_order_relaxed);
  running_.store(static_cast<std::uint32_t>(threads_ - 1), std::memory_order_relaxed);
  generation_.fetch_add(1);
  generation_.notify_all();
  std::exception_ptr own;
  try {
    job(0);
  } catch (...) {
    own = std::current_exception();
  }
  await(running_, spin_, [](std::uint32_t left) { return left == 0; });
  worked_ += Clock::now() - begin;
  job_ = nullptr;
  std::exception_ptr failure = own;
  {
    const std::lock_guard<std::mutex> lock(failure_mutex_);
    if (!failure) failure = failure_;
    failure_ = nullptr;
  }
  if (failure) std::rethrow_exception(failure);
}

void ThreadPool::barrier(int thread) noexcept {
  std::atomic<std::uint32_t>& mine = arrivals_[static_cast<std::size_t>(thread)].count;
  // A locked instruction: what was stored before must be seen by the others before notify_all looks for who has parked.
  const std::uint32_t meeting = mine.fetch_add(1) + 1;
  mine.notify_all();
  for (int other = 0; other < team_; ++other) {
    // Others may be at the next barrier already, never further.
    await(arrivals_[static_cast<std::size_t>(other)].count, spin_,
          [meeting](std::uint32_t count) { return count >= meeting; });
  }
}

void ThreadPool::worker(int thread) {
  ids_[static_cast<std::size_t>(thread)].store(gettid(), std::memory_order_relaxed);
  bool spin = false;  // until the first job says
  for (std::uint32_t seen = 0;; ++seen) {
    await(generation_, spin, [seen](std::uint32_t generation) { return generation != seen; });
    if (stopping_.load(std::memory_order_acquire)) return;
    spin = spin_;
    if (thread < team_) {
      try {
        (*job_)(thread);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(failure_mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
    }
    if (running_.fetch_sub(1) == 1) running_.notify_one();
  }
}

Range split_range(std::int64_t count, int parts, int part, std::int64_t step) noexcept {
  const std::int64_t units = (count + step - 1) / step;
  const std::int64_t begin = units * part / parts * step;
  const std::int64_t end = units * (part + 1) / parts * step;
  return {std::min(begin, count), std::min(end, count)};
}

}  // namespace ganglion
