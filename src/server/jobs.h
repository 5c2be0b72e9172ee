// The server's own threads: a few workers that run short jobs (reading bodies, tokenizing, writing answers) off the io
// and engine threads, and one thread that runs what is due at a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace ganglion::server {

using Clock = std::chrono::steady_clock;

// A bounded queue of jobs. Jobs must not throw; one that does is logged.
class Jobs {
 public:
  Jobs(int threads, std::size_t capacity);
  // Runs what is queued, then ends.
  ~Jobs();
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  // New work; false when `capacity` jobs wait already.
  [[nodiscard]] bool try_post(std::function<void()> job);
  // The end of work that was let in: always taken, at most one per job in flight.
  void post(std::function<void()> job);

 private:
  void work(int number);

  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// Things to do at a time, unless they are removed before. Thread-safe.
class Deadlines {
 public:
  Deadlines();
  ~Deadlines();
  Deadlines(const Deadlines&) = delete;
  Deadlines& operator=(const Deadlines&) = delete;

  struct Key {
    Clock::time_point when;
    std::uint64_t id = 0;
    auto operator<=>(const Key&) const = default;
  };
  // `action` runs on the deadline thread and must return at once.
  Key add(Clock::time_point when, std::function<void()> action);
  void remove(const Key& key);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Key, std::function<void()>> actions_;
  std::uint64_t next_id_ = 1;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ganglion::server
