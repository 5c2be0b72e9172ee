#include "tests/differential/closeness.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace ganglion::differential {
namespace {

Tensor floats(const std::vector<float>& values) {
  return Tensor::from<float>(DType::kF32, {static_cast<std::int64_t>(values.size())}, values);
}

bool close(float got, float expected, const Closeness& closeness = {}) {
  return !difference(floats({got}).view(), floats({expected}).view(), closeness).has_value();
}

TEST(Closeness, TakesNothingButEqualBitsUnlessToldOtherwise) {
  EXPECT_TRUE(close(1.0f, 1.0f));
  EXPECT_FALSE(close(1.0f, std::nextafter(1.0f, 2.0f)));
  EXPECT_FALSE(close(0.0f, -0.0f));
}

TEST(Closeness, CountsUnitsInTheLastPlace) {
  EXPECT_TRUE(close(1.0f, std::nextafter(1.0f, 2.0f), {.ulps = 1}));
  EXPECT_FALSE(close(1.0f, 1.0f + 0x1p-22f, {.ulps = 1}));
  EXPECT_FALSE(close(1.0f, -1.0f, {.ulps = 1}));
}

TEST(Closeness, TakesAnyNaNForAnyOtherAndNoNumberForNaN) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(close(nan, -nan));
  EXPECT_FALSE(close(nan, 1.0f, {.ulps = 1 << 30, .tolerance = 1e30}));
  EXPECT_FALSE(close(1.0f, nan, {.ulps = 1 << 30, .tolerance = 1e30}));
}

TEST(Closeness, TakesZeroForASubnormalOnlyWhenFlushed) {
  EXPECT_TRUE(close(1e-40f, 0.0f, {.flushed = true}));
  EXPECT_FALSE(close(1e-40f, 0.0f));
  EXPECT_FALSE(close(1e-30f, 0.0f, {.flushed = true}));
}

TEST(Closeness, NamesTheFirstElementThatDiffers) {
  const auto text = difference(floats({1, 2, 3}).view(), floats({1, 2.5f, 4}).view(), {});
  EXPECT_EQ(text, "element 1: got 2, expected 2.5 (2097152 ulps)");
}

TEST(Closeness, ComparesShapesFirst) {
  EXPECT_EQ(difference(floats({1}).view(), floats({1, 2}).view(), {}), "got f32[1], expected f32[2]");
}

}  // namespace
}  // namespace ganglion::differential
