#include "base/team_size.h"

#include <gtest/gtest.h>

#include <vector>

namespace ganglion {
namespace {

using namespace std::chrono_literals;
using Durations = std::vector<TeamSize::Clock::duration>;

const TeamSize::Clock::time_point kStart = TeamSize::Clock::time_point() + 1h;

TEST(TeamSize, StaysWhereThreadsHaveTheirCores) {
  TeamSize team(4);
  team.observe(kStart, 50ms, Durations{1ms, 0ms, 2ms, 12ms});
  EXPECT_EQ(team.size(), 4);
  EXPECT_FALSE(team.try_again(kStart + 1h));
}

TEST(TeamSize, LeavesOutThreadsThatArePushedOffTheirCores) {
  TeamSize team(4);
  team.observe(kStart, 50ms, Durations{1ms, 30ms, 0ms, 45ms});
  EXPECT_EQ(team.size(), 2);
}

TEST(TeamSize, NeverLeavesOutAll) {
  TeamSize team(2);
  team.observe(kStart, 50ms, Durations{30ms, 30ms});
  EXPECT_EQ(team.size(), 1);
}

TEST(TeamSize, TriesAllThreadsAgainAfterPausesThatGrow) {
  TeamSize team(2);
  auto now = kStart;
  for (const TeamSize::Clock::duration pause : {200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms, 8000ms, 8000ms}) {
    team.observe(now, 50ms, Durations{0ms, 40ms});
    EXPECT_EQ(team.size(), 1);
    EXPECT_FALSE(team.try_again(now + pause - 1ms));
    EXPECT_EQ(team.size(), 1);
    now += pause;
    EXPECT_TRUE(team.try_again(now));
    EXPECT_EQ(team.size(), 2);
  }
}

TEST(TeamSize, ForgetsPausesWhenATrialGoesWell) {
  TeamSize team(2);
  team.observe(kStart, 50ms, Durations{0ms, 40ms});
  ASSERT_TRUE(team.try_again(kStart + 200ms));
  team.observe(kStart + 2s, 50ms, Durations{0ms, 0ms});
  EXPECT_EQ(team.size(), 2);
  team.observe(kStart + 3s, 50ms, Durations{0ms, 40ms});
  EXPECT_TRUE(team.try_again(kStart + 3s + 200ms));
}

}  // namespace
}  // namespace ganglion
