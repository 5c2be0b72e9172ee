#include "compiler/plan_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace ganglion::compiler {
namespace {

bool overlap(std::int64_t a, std::int64_t a_size, std::int64_t b, std::int64_t b_size) {
  return a < b + b_size && b < a + a_size;
}

std::vector<LiveRange> random_ranges(std::uint64_t seed, int count) {
  std::mt19937_64 random(seed);
  std::vector<LiveRange> ranges;
  for (int i = 0; i < count; ++i) {
    const auto first = static_cast<std::int32_t>(random() % 60);
    const auto last = static_cast<std::int32_t>(first + static_cast<std::int32_t>(random() % 12));
    ranges.push_back({first, last, static_cast<std::int64_t>(random() % 5000)});
  }
  return ranges;
}

TEST(PlanRanges, NeverGivesTwoLiveBuffersTheSameMemory) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::vector<LiveRange> ranges = random_ranges(seed, 80);
    const MemoryPlan plan = plan_ranges(ranges);
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      EXPECT_EQ(plan.offsets[i] % 64, 0);
      EXPECT_LE(plan.offsets[i] + ranges[i].bytes, plan.bytes);
      for (std::size_t j = 0; j < i; ++j) {
        if (ranges[i].first > ranges[j].last || ranges[j].first > ranges[i].last) continue;
        EXPECT_FALSE(overlap(plan.offsets[i], ranges[i].bytes, plan.offsets[j], ranges[j].bytes)) << seed;
      }
    }
  }
}

TEST(PlanRanges, UsesMemoryAgainWhenItsBufferIsDead) {
  const MemoryPlan plan = plan_ranges({{0, 1, 4096}, {2, 3, 4096}, {4, 5, 2048}});
  EXPECT_EQ(plan.bytes, 4096);
}

TEST(PlanRanges, TakesLittleMoreThanTheMostThatIsLiveAtOnce) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const std::vector<LiveRange> ranges = random_ranges(seed, 80);
    std::int64_t most = 0;
    for (std::int32_t step = 0; step < 80; ++step) {
      std::int64_t live = 0;
      for (const LiveRange& range : ranges) {
        if (range.first <= step && step <= range.last) live += (std::max<std::int64_t>(range.bytes, 1) + 63) / 64 * 64;
      }
      most = std::max(most, live);
    }
    EXPECT_LE(plan_ranges(ranges).bytes, most + most / 2) << seed;
  }
}

program::Operand arena(std::int64_t offset, std::int64_t bytes) {
  program::Operand operand;
  operand.offset = offset;
  operand.bytes = bytes;
  return operand;
}

program::Step step(std::vector<program::Operand> reads, std::vector<program::Operand> writes) {
  program::Step step;
  step.operands = std::move(reads);
  step.results = std::move(writes);
  return step;
}

std::vector<bool> barriers(std::vector<program::Step> steps) {
  program::Program program;
  program.steps = std::move(steps);
  place_barriers(program);
  std::vector<bool> out;
  for (const program::Step& each : program.steps) out.push_back(each.barrier);
  return out;
}

TEST(PlaceBarriers, LetsThreadsRunOnOverStepsThatReadTheSameAndWriteApart) {
  EXPECT_EQ(barriers({step({}, {arena(0, 64)}), step({arena(0, 64)}, {arena(64, 64)}),
                      step({arena(0, 64)}, {arena(128, 64)}), step({arena(0, 64)}, {arena(192, 64)})}),
            (std::vector<bool>{false, true, false, false}));
}

TEST(PlaceBarriers, MeetsBeforeMemoryThatIsStillReadIsWritten) {
  EXPECT_EQ(barriers({step({arena(0, 64)}, {arena(64, 64)}), step({}, {arena(32, 16)})}),
            (std::vector<bool>{false, true}));
}

TEST(PlaceBarriers, TellsTheSpacesApart) {
  program::Operand shared = arena(0, 64);
  shared.space = program::Space::kShared;
  EXPECT_EQ(barriers({step({}, {arena(0, 64)}), step({shared}, {arena(64, 64)})}), (std::vector<bool>{false, false}));
}

}  // namespace
}  // namespace ganglion::compiler
