#include "checkpoint/random_source.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "tensor/half.h"

namespace ganglion::checkpoint {
namespace {

TEST(RandomSource, HasTheMeanDeviationAndTailsOfANormalLaw) {
  const Tensor tensor = read_all(*random_source(DType::kF32, {500, 1000}, 0.02, 1));
  double sum = 0;
  double squares = 0;
  double within = 0;
  double largest = 0;
  for (const float value : tensor.as<float>()) {
    sum += value;
    squares += static_cast<double>(value) * value;
    within += std::abs(value) < 0.02 ? 1 : 0;
    largest = std::max<double>(largest, std::abs(value));
  }
  // 500,000 samples: the mean's own deviation is 0.02 / 707 = 2.8e-5; five of them.
  EXPECT_NEAR(sum / 500000, 0, 1.4e-4);
  EXPECT_NEAR(std::sqrt(squares / 500000), 0.02, 1e-4);
  EXPECT_NEAR(within / 500000, 0.6827, 0.004);
  EXPECT_GT(largest, 0.02 * 3.5);
  EXPECT_LT(largest, 0.02 * 4);
}

TEST(RandomSource, AnyRangeOfRowsEqualsThatRangeOfTheWhole) {
  const auto source = random_source(DType::kF16, {30, 17}, 1.0, 5);
  const Tensor whole = read_all(*source);
  for (std::int64_t begin = 0; begin <= 30; begin += 3) {
    std::vector<std::uint16_t> rows(static_cast<std::size_t>(30 - begin) * 17);
    source->read_rows(begin, 30, reinterpret_cast<std::byte*>(rows.data()));
    const auto wanted = whole.as<std::uint16_t>().subspan(static_cast<std::size_t>(begin) * 17);
    EXPECT_TRUE(std::equal(rows.begin(), rows.end(), wanted.begin())) << begin;
  }
}

TEST(RandomSource, OtherTypesGiveTheSameNumbersRounded) {
  const Tensor f32 = read_all(*random_source(DType::kF32, {7, 13}, 0.5, 3));
  const Tensor f16 = read_all(*random_source(DType::kF16, {7, 13}, 0.5, 3));
  const Tensor bf16 = read_all(*random_source(DType::kBF16, {7, 13}, 0.5, 3));
  for (std::size_t i = 0; i < 91; ++i) {
    EXPECT_EQ(f16.as<std::uint16_t>()[i], f32_to_f16(f32.as<float>()[i]));
    EXPECT_EQ(bf16.as<std::uint16_t>()[i], f32_to_bf16(f32.as<float>()[i]));
  }
}

TEST(RandomSource, SeedsAndRowsDiffer) {
  const Tensor a = read_all(*random_source(DType::kF32, {2, 64}, 1.0, 1));
  const Tensor b = read_all(*random_source(DType::kF32, {2, 64}, 1.0, 2));
  const auto first = a.as<float>().first(64);
  EXPECT_FALSE(std::equal(first.begin(), first.end(), a.as<float>().begin() + 64));
  EXPECT_FALSE(std::equal(first.begin(), first.end(), b.as<float>().begin()));
}

TEST(RandomSource, IntegersAreRoundedAndClamped) {
  const Tensor tensor = read_all(*random_source(DType::kS8, {64, 64}, 60.0, 1));
  int extremes = 0;
  for (const std::int8_t value : tensor.as<std::int8_t>()) {
    ASSERT_GE(value, -127);
    extremes += std::abs(value) == 127 ? 1 : 0;
  }
  EXPECT_GT(extremes, 0);
}

TEST(RandomSource, UnsignedTypesAndImpossibleShapesAreRefused) {
  EXPECT_THROW(random_source(DType::kU8, {2}, 1.0, 1), Error);
  EXPECT_THROW(random_source(DType::kPred, {2}, 1.0, 1), Error);
  EXPECT_THROW(random_source(DType::kF32, {-1}, 1.0, 1), Error);
  EXPECT_THROW(constant_source(DType::kF32, {1LL << 40, 1LL << 40}, 0), Error);
}

TEST(ConstantSource, IsTheSameEverywhereInEveryType) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const Tensor tensor = read_all(*constant_source(static_cast<DType>(i), {3, 5}, 1.0));
    for (std::int64_t k = 0; k < 15; ++k) EXPECT_EQ(element_as_double(tensor.view(), k), 1.0);
  }
  EXPECT_EQ(read_all(*constant_source(DType::kF32, {}, 2.5)).as<float>()[0], 2.5f);
}

}  // namespace
}  // namespace ganglion::checkpoint
