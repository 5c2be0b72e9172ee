#include "checkpoint/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "checkpoint/random_source.h"
#include "tensor/half.h"

namespace ganglion::checkpoint {
namespace {

Tensor meant(const QuantizedMatrix& matrix) {
  const Tensor numbers = read_all(*matrix.numbers);
  const Tensor scales = read_all(*matrix.scales);
  Tensor out(DType::kF32, numbers.dims());
  const std::int64_t each = numbers.elements() / scales.elements();
  for (std::int64_t i = 0; i < numbers.elements(); ++i) {
    set_element_from_double(out.mutable_view(), i,
                            element_as_double(numbers.view(), i) * element_as_double(scales.view(), i / each));
  }
  return out;
}

TEST(Quantize, EightBitsAreOffByHalfAStepOfTheirRowAtMost) {
  const auto source = random_source(DType::kF16, {37, 130}, 0.02, 5);
  const Tensor weights = read_all(*source);
  const QuantizedMatrix matrix = quantize(source, DType::kS8, 0, "w");
  EXPECT_EQ(matrix.numbers->dtype(), DType::kS8);
  EXPECT_EQ(matrix.scales->dims(), Dims{37});
  const Tensor scales = read_all(*matrix.scales);
  const Tensor back = meant(matrix);
  for (std::int64_t i = 0; i < weights.elements(); ++i) {
    const double off = element_as_double(back.view(), i) - element_as_double(weights.view(), i);
    ASSERT_LE(std::fabs(off), element_as_double(scales.view(), i / 130) * 0.5001);
  }
}

TEST(Quantize, FourBitsLeaveLessErrorThanTheLargestValueOverEight) {
  const auto source = random_source(DType::kF32, {64, 256}, 0.02, 6);
  const Tensor weights = read_all(*source);
  const Tensor back = meant(quantize(source, DType::kS4, 32, "w"));
  const auto w = weights.as<float>();
  double found = 0, plain = 0;
  for (std::size_t group = 0; group < w.size(); group += 32) {
    float top = 0;
    for (std::size_t i = group; i < group + 32; ++i) top = std::fabs(w[i]) > std::fabs(top) ? w[i] : top;
    for (std::size_t i = group; i < group + 32; ++i) {
      const float scale = top / -8;
      plain += std::pow(w[i] - scale * std::clamp(std::nearbyint(w[i] / scale), -8.0f, 7.0f), 2);
      found += std::pow(w[i] - back.as<float>()[i], 2);
    }
  }
  EXPECT_LT(found, 0.95 * plain);
  EXPECT_GT(found, 0.5 * plain);
}

TEST(Quantize, RowsOfZerosAndOfTheSmallestNumbersStayFinite) {
  Tensor weights(DType::kF32, {3, 32});
  for (std::size_t i = 32; i < 64; ++i) weights.as<float>()[i] = 1e-42f;
  weights.as<float>()[64] = 3e38f;
  for (const DType to : {DType::kS8, DType::kS4}) {
    const Tensor back = meant(quantize(tensor_source(weights.clone()), to, 32, "w"));
    for (std::size_t i = 0; i < 64; ++i) EXPECT_NEAR(back.as<float>()[i], 0, 2e-42f);
    EXPECT_NEAR(back.as<float>()[64], 3e38f, 3e36f);
    EXPECT_EQ(back.as<float>()[65], 0);
  }
}

TEST(Quantize, WhatIsNotFiniteIsRefusedWithItsPlace) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Tensor weights(DType::kF32, {4, 32});
    weights.as<float>()[2 * 32 + 5] = bad;
    const QuantizedMatrix matrix = quantize(tensor_source(std::move(weights)), DType::kS8, 0, "layers.3.fc1");
    for (const auto& source : {matrix.numbers, matrix.scales}) {
      try {
        read_all(*source);
        FAIL() << "nothing was thrown";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::kDataCorrupt);
        EXPECT_NE(std::string(error.what()).find("row 2 of layers.3.fc1"), std::string::npos) << error.what();
      }
    }
  }
}

TEST(Quantize, ARowIsTheSameReadAloneOrWithOthersOrSliced) {
  const auto source = random_source(DType::kBF16, {5000, 96}, 0.02, 8);
  const QuantizedMatrix matrix = quantize(source, DType::kS4, 32, "w");
  const Tensor all = read_all(*matrix.numbers);
  for (const std::int64_t row : {0, 17, 2730, 2731, 4999}) {
    std::vector<std::byte> alone(96);
    matrix.numbers->read_rows(row, row + 1, alone.data());
    EXPECT_EQ(std::memcmp(alone.data(), all.data() + row * 96, 96), 0) << row;
  }
  const Tensor columns = read_all(*slice_source(matrix.numbers, 1, 32, 64));
  EXPECT_EQ(std::memcmp(columns.data() + 7 * 32, all.data() + 7 * 96 + 32, 32), 0);
}

TEST(Quantize, TwoNumbersInAByteComeBackAsTheyWere) {
  Tensor numbers(DType::kS4, {2, 16});
  for (std::int64_t i = 0; i < 32; ++i) {
    set_element_from_double(numbers.mutable_view(), i, static_cast<double>(i * 5 % 16 - 8));
  }
  const auto pairs = pairs_of(tensor_source(numbers.clone()));
  EXPECT_EQ(pairs->dtype(), DType::kU8);
  EXPECT_EQ(pairs->dims(), (Dims{2, 8}));
  EXPECT_EQ(read_all(*pairs).as<std::uint8_t>()[0], 0xd8);  // -8 in the low half, -3 in the high one
  const Tensor back = read_all(*numbers_of(pairs));
  EXPECT_EQ(back.dtype(), DType::kS4);
  EXPECT_EQ(std::memcmp(back.data(), numbers.data(), 32), 0);
}

}  // namespace
}  // namespace ganglion::checkpoint
