#include "server/jobs.h"

#include <fmt/core.h>
#include <pthread.h>

#include "base/log.h"

namespace ganglion::server {
namespace {

void run(const std::function<void()>& job) {
  try {
    job();
  } catch (const std::exception& error) {
    log::error("[server] a job failed: {}", error.what());
  }
}

}  // namespace

Jobs::Jobs(int threads, std::size_t capacity) : capacity_(capacity) {
  for (int number = 0; number < threads; ++number) threads_.emplace_back([this, number] { work(number); });
}

Jobs::~Jobs() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Jobs::try_post(std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    if (queue_.size() >= capacity_) return false;
    queue_.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

void Jobs::post(std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void Jobs::work(int number) {
  pthread_setname_np(pthread_self(), fmt::format("jobs-{}", number).c_str());
  while (true) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    run(job);
  }
}

Deadlines::Deadlines() : thread_([this] { work(); }) {}

Deadlines::~Deadlines() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Deadlines::Key Deadlines::add(Clock::time_point when, std::function<void()> action) {
  Key key{when, 0};
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    key.id = next_id_++;
    const auto added = actions_.emplace(key, std::move(action)).first;
    first = added == actions_.begin();
  }
  if (first) changed_.notify_all();
  return key;
}

void Deadlines::remove(const Key& key) {
  std::function<void()> forgotten;  // destroyed outside the lock
  std::lock_guard lock(mutex_);
  if (auto node = actions_.extract(key)) forgotten = std::move(node.mapped());
}

void Deadlines::work() {
  pthread_setname_np(pthread_self(), "deadlines");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (actions_.empty()) {
      changed_.wait(lock);
    } else if (const Clock::time_point due = actions_.begin()->first.when; due > Clock::now()) {
      changed_.wait_until(lock, due);
    } else {
      const auto action = std::move(actions_.extract(actions_.begin()).mapped());
      lock.unlock();
      run(action);
      lock.lock();
    }
  }
}

}  // namespace ganglion::server
