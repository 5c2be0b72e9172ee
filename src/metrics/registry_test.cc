#include "metrics/registry.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "base/error.h"

namespace ganglion::metrics {
namespace {

// Whether the text has exactly this line.
testing::AssertionResult has_line(const Registry& registry, const std::string& line) {
  const std::string text = "\n" + registry.text();
  if (text.find("\n" + line + "\n") != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "no line '" << line << "' in:" << text;
}

TEST(Metrics, ACounterIsWrittenWithItsHelpTypeAndLabels) {
  Registry registry;
  const Counter requests =
      registry.counter("requests_total", "Requests answered.", {{"model", "opt13b"}, {"status", "200"}});
  requests.add();
  requests.add(2);
  EXPECT_EQ(requests.value(), 3);
  EXPECT_TRUE(has_line(registry, "# HELP requests_total Requests answered."));
  EXPECT_TRUE(has_line(registry, "# TYPE requests_total counter"));
  EXPECT_TRUE(has_line(registry, R"(requests_total{model="opt13b",status="200"} 3)"));
}

TEST(Metrics, ACounterNeverFalls) {
  Registry registry;
  const Counter counter = registry.counter("a_total", "");
  counter.add(5);
  counter.add(-3);
  EXPECT_EQ(counter.value(), 5);
}

TEST(Metrics, AGaugeGoesUpAndDown) {
  Registry registry;
  const Gauge gauge = registry.gauge("queue_depth", "Requests that wait.");
  gauge.set(7);
  gauge.add(-2.5);
  EXPECT_EQ(gauge.value(), 4.5);
  EXPECT_TRUE(has_line(registry, "# TYPE queue_depth gauge"));
  EXPECT_TRUE(has_line(registry, "queue_depth 4.5"));
}

TEST(Metrics, AHistogramCountsUpToAndIncludingEachBound) {
  Registry registry;
  const Histogram histogram = registry.histogram("seconds", "Time.", {{"model", "m"}}, {0.5, 1});
  for (const double value : {0.25, 0.5, 0.75, 1.0, 8.0}) histogram.observe(value);
  EXPECT_TRUE(has_line(registry, "# TYPE seconds histogram"));
  EXPECT_TRUE(has_line(registry, R"(seconds_bucket{model="m",le="0.5"} 2)"));
  EXPECT_TRUE(has_line(registry, R"(seconds_bucket{model="m",le="1"} 4)"));
  EXPECT_TRUE(has_line(registry, R"(seconds_bucket{model="m",le="+Inf"} 5)"));
  EXPECT_TRUE(has_line(registry, R"(seconds_count{model="m"} 5)"));
  EXPECT_TRUE(has_line(registry, R"(seconds_sum{model="m"} 10.5)"));
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetricAndOtherLabelsAnother) {
  Registry registry;
  registry.counter("a_total", "", {{"model", "x"}}).add(1);
  registry.counter("a_total", "", {{"model", "x"}}).add(1);
  registry.counter("a_total", "", {{"model", "y"}}).add(5);
  EXPECT_TRUE(has_line(registry, R"(a_total{model="x"} 2)"));
  EXPECT_TRUE(has_line(registry, R"(a_total{model="y"} 5)"));
}

TEST(Metrics, QuotesAndNewLinesInLabelsAreEscaped) {
  Registry registry;
  registry.counter("a_total", "", {{"model", "a\"b\\c\nd"}}).add();
  EXPECT_TRUE(has_line(registry, R"(a_total{model="a\"b\\c\nd"} 1)"));
}

TEST(Metrics, AHandleStaysValidWhenManyMetricsAreAddedAfterIt) {
  Registry registry;
  const Counter first = registry.counter("first_total", "");
  for (int i = 0; i < 1000; ++i) registry.counter("other_total", "", {{"i", std::to_string(i)}}).add();
  first.add(2);
  EXPECT_TRUE(has_line(registry, "first_total 2"));
}

TEST(Metrics, NoUpdateIsLostAndAnyThreadMayReadTheText) {
  Registry registry;
  const Counter counter = registry.counter("a_total", "");
  const Histogram histogram = registry.histogram("h", "", {}, {1});
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5000; ++i) {
        counter.add();
        histogram.observe(0.5);
        if (i % 1000 == 0)
          registry.gauge("g", "", {{"t", std::to_string(t)}}).set(static_cast<double>(registry.text().size()));
      }
    });
  }
  threads.clear();
  EXPECT_EQ(counter.value(), 20000);
  EXPECT_TRUE(has_line(registry, "h_count 20000"));
}

TEST(Metrics, NamesThatPrometheusForbidsAreRefused) {
  Registry registry;
  for (const char* name : {"", "1st", "a-b", "a b"}) EXPECT_THROW(registry.counter(name, ""), Error) << name;
  EXPECT_THROW(registry.counter("ok_total", "", {{"bad-label", "x"}}), Error);
}

TEST(Metrics, ANameKeepsItsKind) {
  Registry registry;
  registry.counter("a", "");
  EXPECT_THROW(registry.gauge("a", ""), Error);
  EXPECT_THROW(registry.histogram("a", ""), Error);
}

TEST(Metrics, BoundsThatDoNotAscendAreRefused) {
  Registry registry;
  EXPECT_THROW(registry.histogram("h", "", {}, {2, 1}), Error);
  EXPECT_THROW(registry.histogram("h", "", {}, {1, 1}), Error);
  EXPECT_THROW(registry.histogram("h", "", {}, {1, std::numeric_limits<double>::infinity()}), Error);
  EXPECT_THROW(registry.histogram("h", "", {}, {std::numeric_limits<double>::quiet_NaN()}), Error);
}

}  // namespace
}  // namespace ganglion::metrics
