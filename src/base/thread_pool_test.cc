#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <vector>

namespace ganglion {
namespace {

TEST(ThreadPool, RunsTheJobOnceOnEveryThread) {
  ThreadPool pool(4);
  std::vector<int> calls(4, 0);
  for (int round = 0; round < 200; ++round) pool.run([&](int thread) { ++calls[thread]; });
  for (int count : calls) EXPECT_EQ(count, 200);
}

TEST(ThreadPool, BarrierSeparatesThePhasesOfAJob) {
  ThreadPool pool(3);
  std::atomic<int> before{0};
  std::atomic<int> wrong{0};
  pool.run([&](int thread) {
    for (int phase = 1; phase <= 100; ++phase) {
      before.fetch_add(1);
      pool.barrier(thread);
      if (before.load() != 3 * phase) wrong.fetch_add(1);
      pool.barrier(thread);
    }
  });
  EXPECT_EQ(wrong.load(), 0);
}

TEST(ThreadPool, TeamsOfDifferentSizesMeetOneAfterTheOther) {
  ThreadPool pool(4);
  std::vector<int> calls(4, 0);
  std::atomic<int> wrong{0};
  for (int round = 0; round < 100; ++round) {
    const int team = 1 + round % 4;
    std::atomic<int> before{0};
    pool.run(team, [&](int thread) {
      ++calls[thread];
      for (int phase = 1; phase <= 5; ++phase) {
        before.fetch_add(1);
        pool.barrier(thread);
        if (before.load() != team * phase) wrong.fetch_add(1);
        pool.barrier(thread);
      }
    });
  }
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(calls, (std::vector<int>{100, 75, 50, 25}));
}

TEST(ThreadPool, AThreadThatComesLateToABarrierFindsTheOthersParked) {
  ThreadPool pool(2);
  std::atomic<bool> parked{false};
  pool.run([&](int thread) {
    // Longer than anybody spins: the other thread has gone to sleep in the kernel, or will without being woken in vain.
    if (thread == 0) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
      while (std::chrono::steady_clock::now() < end) {
      }
      parked.store(true);
    }
    pool.barrier(thread);
    EXPECT_TRUE(parked.load());
    pool.barrier(thread);
  });
}

TEST(ThreadPool, TeamsAreNoLargerThanTheCoresThereAre) {
  int cores = 3;
  ThreadPool pool(4, [&cores] { return cores; });
  EXPECT_EQ(pool.team(), 3);
  ThreadPool enough(2, [&cores] { return cores; });
  EXPECT_EQ(enough.team(), 2);
  cores = 0;
  ThreadPool least(2, [&cores] { return cores; });
  EXPECT_EQ(least.team(), 1);
  EXPECT_EQ(ThreadPool(5).team(), 5);
}

TEST(ThreadPool, RethrowsAThreadsExceptionAndStaysUsable) {
  ThreadPool pool(2);
  EXPECT_THROW(pool.run([](int thread) {
    if (thread == 1) throw std::runtime_error("one");
  }),
               std::runtime_error);
  std::atomic<int> calls{0};
  pool.run([&](int) { calls.fetch_add(1); });
  EXPECT_EQ(calls.load(), 2);
}

TEST(ThreadPool, SplitRangeCoversEverythingOnceInOrder) {
  for (std::int64_t count : {0, 1, 7, 16, 100}) {
    for (int parts : {1, 2, 3, 8}) {
      std::int64_t next = 0;
      for (int part = 0; part < parts; ++part) {
        const Range range = split_range(count, parts, part, 4);
        EXPECT_EQ(range.begin, next);
        EXPECT_LE(range.begin, range.end);
        next = range.end;
      }
      EXPECT_EQ(next, count);
    }
  }
}

}  // namespace
}  // namespace ganglion
