#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
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
  pool.run([&](int) {
    for (int phase = 1; phase <= 100; ++phase) {
      before.fetch_add(1);
      pool.barrier();
      if (before.load() != 3 * phase) wrong.fetch_add(1);
      pool.barrier();
    }
  });
  EXPECT_EQ(wrong.load(), 0);
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
