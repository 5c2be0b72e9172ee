#include "engine/log_sum_exp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace ganglion::engine {
namespace {

std::vector<float> numbers_of(std::size_t count, float spread) {
  std::mt19937 random(static_cast<std::uint32_t>(count));
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> out(count);
  for (float& number : out) number = normal(random);
  return out;
}

TEST(LogSumExp, IsWithinAMillionthOfTheSumInDoublePrecision) {
  for (const std::size_t count : {1, 2, 15, 16, 17, 61, 1000, 50272}) {
    for (const float spread : {0.01f, 1.0f, 10.0f, 60.0f, 1000.0f}) {
      const auto numbers = numbers_of(count, spread);
      const float highest = highest_of(numbers);
      double sum = 0;
      for (const float number : numbers) sum += std::exp(static_cast<double>(number) - static_cast<double>(highest));
      EXPECT_NEAR(log_sum_exp(numbers, highest), std::log(sum), 1e-6) << count << " numbers, spread " << spread;
    }
  }
}

TEST(LogSumExp, FindsTheHighestAndWhatIsNotFiniteWhereverItStands) {
  for (std::size_t at = 0; at < 40; ++at) {
    auto numbers = numbers_of(40, 1);
    EXPECT_TRUE(all_finite(numbers));
    numbers[at] = 100;
    EXPECT_EQ(highest_of(numbers), 100);
    EXPECT_EQ(first_of(numbers, 100), at);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()}) {
      numbers[at] = bad;
      EXPECT_FALSE(all_finite(numbers));
    }
  }
  EXPECT_EQ(highest_of({}), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(first_of({}, 1), 0u);
}

TEST(LogSumExp, FindsTheFirstOfEqualNumbersInAnyBlock) {
  std::vector<float> numbers(2000, 0);
  for (const std::size_t at : {1999, 1100, 513, 511, 256, 255, 0}) {
    numbers[at] = 3;
    EXPECT_EQ(first_of(numbers, 3), at);
  }
  EXPECT_EQ(first_of(numbers, 4), numbers.size());
}

}  // namespace
}  // namespace ganglion::engine
