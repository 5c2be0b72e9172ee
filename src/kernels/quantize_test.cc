#include <algorithm>

#include "kernels/plain.h"

namespace ganglion::kernels {
namespace {

using plain::kInfinity;
using plain::kNan;

// Groups that are anything: of every size of value that a float has, of one value, of zeros, of ties.
std::vector<float> groups_of_all_kinds(std::int64_t groups, std::int64_t group) {
  std::vector<float> x = plain::normal(static_cast<std::size_t>(groups * group), 3, 0.02f);
  std::mt19937 random(4);
  for (std::int64_t g = 0; g < groups; ++g) {
    float* values = x.data() + g * group;
    const int kind = static_cast<int>(g % 8);
    const float size = std::ldexp(1.0f, static_cast<int>(random() % 270) - 145);
    for (std::int64_t i = 0; i < group; ++i) {
      if (kind == 1) values[i] = 0;
      if (kind == 2) values[i] *= size;
      if (kind == 3) values[i] = i == 5 ? -size : 0.0f;
      if (kind == 4) values[i] = static_cast<float>(static_cast<int>(random() % 17) - 8) * 0.5f;
      if (kind == 5) values[i] = std::copysign(size, values[i]);
      if (kind == 6 && i % 7 == 0) values[i] *= 50;
    }
    if (kind == 7) values[g % group] = 3e38f;
  }
  return x;
}

using Quantize = plain::EveryTable;

TEST_P(Quantize, FindsTheScalesAndNumbersOfFourBitsThatTheScalarTableFinds) {
  const Table& scalar = *find_table("scalar");
  for (const std::int64_t group : {8, 32, 64, 128}) {
    const std::int64_t groups = 4003;
    const std::vector<float> x = groups_of_all_kinds(groups, group);
    std::vector<std::uint16_t> scales(groups, 1), wanted(groups, 2);
    table().search_s4(x.data(), scales.data(), groups, group);
    scalar.search_s4(x.data(), wanted.data(), groups, group);
    for (std::int64_t g = 0; g < groups; ++g) ASSERT_EQ(scales[g], wanted[g]) << "group " << g << " of " << group;
    std::vector<std::int8_t> numbers(x.size(), 1), wanted_numbers(x.size(), 2);
    table().round_s4(x.data(), wanted.data(), numbers.data(), groups, group);
    scalar.round_s4(x.data(), wanted.data(), wanted_numbers.data(), groups, group);
    ASSERT_EQ(numbers, wanted_numbers);
    EXPECT_EQ(*std::min_element(numbers.begin(), numbers.end()), -8);
    EXPECT_EQ(*std::max_element(numbers.begin(), numbers.end()), 7);
  }
}

TEST_P(Quantize, LeavesNearlyAsLittleSquaredErrorInFourBitsAsTheBestOfManyScales) {
  const std::int64_t group = 32, groups = 200;
  const std::vector<float> x = plain::normal(groups * group, 5, 0.02f);
  std::vector<std::uint16_t> scales(groups);
  std::vector<std::int8_t> numbers(x.size());
  table().search_s4(x.data(), scales.data(), groups, group);
  table().round_s4(x.data(), scales.data(), numbers.data(), groups, group);
  double found = 0, best = 0;
  for (std::int64_t g = 0; g < groups; ++g) {
    const float* values = x.data() + g * group;
    double top = 0, least = 1e30;
    for (std::int64_t i = 0; i < group; ++i) {
      if (std::fabs(values[i]) > std::fabs(top)) top = values[i];
      found += std::pow(values[i] - numbers[g * group + i] * double{plain::from_bf16(scales[g])}, 2.0);
    }
    for (double beginning = -6; beginning > -12; beginning -= 0.01) {
      const double scale = top / beginning;
      double error = 0;
      for (std::int64_t i = 0; i < group; ++i)
        error += std::pow(values[i] - scale * std::clamp(std::nearbyint(values[i] / scale), -8.0, 7.0), 2.0);
      least = std::min(least, error);
    }
    best += least;
  }
  EXPECT_LT(found, 1.04 * best);  // four beginnings instead of 600
}

TEST_P(Quantize, RoundsEightBitsToTheNearestNumber) {
  for (const std::int64_t count : {1, 7, 8, 31, 64, 2049}) {
    const std::vector<float> x = plain::normal(static_cast<std::size_t>(count), 7, 3.0f);
    const float scale = table().largest_magnitude(x.data(), count) / 127.0f;
    std::vector<std::int8_t> numbers(x.size() + 1, 99), wanted(x.size() + 1, 99);
    table().round_s8(x.data(), scale, numbers.data(), count);
    find_table("scalar")->round_s8(x.data(), scale, wanted.data(), count);
    ASSERT_EQ(numbers, wanted) << count;
    for (std::int64_t i = 0; i < count; ++i) ASSERT_LE(std::fabs(x[i] / double{scale} - numbers[i]), 0.5001);
    table().round_s8(x.data(), 1e-40f, numbers.data(), count);
    ASSERT_EQ(std::count(numbers.begin(), numbers.end(), 0), count);
  }
}

TEST_P(Quantize, KnowsTheLargestMagnitudeAndWhatIsNotFinite) {
  for (const std::int64_t count : {0, 1, 8, 17, 100}) {
    std::vector<float> x = plain::normal(static_cast<std::size_t>(count), 9);
    float top = 0;
    for (const float value : x) top = std::max(top, std::fabs(value));
    EXPECT_EQ(table().largest_magnitude(x.data(), count), top);
    for (std::int64_t i = 0; i < count; ++i) {
      for (const float bad : {kNan, kInfinity, -kInfinity}) {
        const float kept = std::exchange(x[i], bad);
        ASSERT_TRUE(std::isnan(table().largest_magnitude(x.data(), count))) << i << " of " << count;
        x[i] = kept;
      }
    }
  }
}

GANGLION_FOR_EVERY_TABLE(Quantize);

}  // namespace
}  // namespace ganglion::kernels
