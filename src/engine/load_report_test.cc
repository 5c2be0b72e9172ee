#include "engine/load_report.h"

#include <gtest/gtest.h>

namespace ganglion::engine {
namespace {

TEST(LoadReport, SaysEveryPhaseAndTheirSum) {
  LoadReport report;
  report.phases = {{"config", 0.25}, {"weights", 2.0, std::int64_t{4} << 30}};
  report.read_seconds = 0.5;
  report.pack_seconds = 1.5;
  EXPECT_DOUBLE_EQ(report.seconds(), 2.25);
  EXPECT_EQ(report.text(),
            "config 0.250 s, weights 2.000 s (4.00 GiB at 2.15 GB/s; read 0.500 s, pack 1.500 s), total 2.250 s");
  report.from_cache = true;
  EXPECT_EQ(report.text(), "config 0.250 s, weights 2.000 s (4.00 GiB at 2.15 GB/s, packed before), total 2.250 s");
}

TEST(LoadProgress, SaysRateAndTimeLeft) {
  const LoadProgress progress{.done = std::int64_t{1} << 30, .total = std::int64_t{4} << 30, .seconds = 2};
  EXPECT_EQ(progress.text(), "loading weights: 25 % of 4.00 GiB at 0.54 GB/s, 6 s left");
}

TEST(LoadProgress, IsToldOnceATenthAndNotAtAllForShortLoads) {
  int told = 0;
  const OnProgress tell = every_tenth([&](const LoadProgress&) { ++told; });
  for (int i = 1; i <= 100; ++i) tell({.done = i, .total = 100, .seconds = 0.019 * i});
  EXPECT_EQ(told, 0);
  for (int i = 1; i <= 100; ++i) tell({.done = i, .total = 100, .seconds = 3.0 + i});
  EXPECT_EQ(told, 11);
}

}  // namespace
}  // namespace ganglion::engine
