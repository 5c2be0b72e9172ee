#include "hub/progress.h"

#include <gtest/gtest.h>

#include <vector>

namespace ganglion::hub {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Shown {
  std::vector<std::string> lines;
  std::vector<bool> more;
  std::chrono::steady_clock::time_point now;
  Progress progress;
  explicit Shown(Progress::Form form)
      : progress(
            form,
            [this](const std::string& line, bool goes_on) {
              lines.push_back(line);
              more.push_back(goes_on);
            },
            [this] { return now; }) {}
};

TEST(Progress, LinesComeEveryTenPercent) {
  Shown shown(Progress::Form::kLines);
  shown.progress.begin("org/name", 1'000'000, 0);
  for (int i = 0; i < 1000; ++i) {
    shown.now += milliseconds(1);
    shown.progress.advance(1000);
  }
  shown.progress.end(true);
  ASSERT_EQ(shown.lines.size(), 10u);
  EXPECT_EQ(shown.lines[0], "org/name  10% 100.0 kB of 1.0 MB, 1.0 MB/s, 0:01 left");
  EXPECT_EQ(shown.lines[9], "org/name 100% 1.0 MB of 1.0 MB, 1.0 MB/s");
}

TEST(Progress, ABarIsDrawnTenTimesASecondWithRateAndTimeLeft) {
  Shown shown(Progress::Form::kBar);
  shown.progress.begin("m", 10'000'000, 1'000'000);
  for (int i = 0; i < 50; ++i) {
    shown.now += milliseconds(20);
    shown.progress.advance(10'000);
  }
  ASSERT_EQ(shown.lines.size(), 10u);
  EXPECT_EQ(shown.lines[9], "m  15% [====                          ] 1.5 MB of 10.0 MB, 500.0 kB/s, 0:17 left");
  shown.progress.end(false);
  EXPECT_FALSE(shown.more.back());
}

TEST(Progress, WhatIsFetchedAgainIsTakenBack) {
  Shown shown(Progress::Form::kLines);
  shown.progress.begin("m", 100, 0);
  shown.progress.advance(60);
  shown.progress.retract(60);
  shown.progress.advance(100);
  shown.progress.end(true);
  EXPECT_NE(shown.lines.back().find("100% 100 B of 100 B"), std::string::npos);
}

TEST(Progress, AnUnknownSizeIsCountedOnly) {
  Shown shown(Progress::Form::kLines);
  shown.progress.begin("m", 0, 0);
  shown.now += seconds(1);
  shown.progress.advance(250'000'000);
  EXPECT_EQ(shown.lines, std::vector<std::string>{"m 250.0 MB, 250.0 MB/s"});
}

TEST(Progress, SizesAndTimesAreForPeople) {
  EXPECT_EQ(size_text(0), "0 B");
  EXPECT_EQ(size_text(999), "999 B");
  EXPECT_EQ(size_text(1000), "1.0 kB");
  EXPECT_EQ(size_text(999'960), "1.0 MB");
  EXPECT_EQ(size_text(2.6e9), "2.6 GB");
  EXPECT_EQ(size_text(1e15), "1000.0 TB");
  EXPECT_EQ(time_text(seconds(7)), "0:07");
  EXPECT_EQ(time_text(seconds(3723)), "1:02:03");
}

}  // namespace
}  // namespace ganglion::hub
