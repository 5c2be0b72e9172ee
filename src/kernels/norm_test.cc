#include <algorithm>

#include "kernels/plain.h"

namespace ganglion::kernels {
namespace {

using plain::kInfinity;
using plain::kNan;

using LayerNorm = plain::EveryTable;

TEST_P(LayerNorm, AgreesWithDoublePrecision) {
  for (const std::int64_t cols : {1, 2, 7, 8, 31, 64, 100, 768, 2049}) {
    for (const float offset : {0.0f, 5.0f, 1000.0f}) {
      const std::int64_t rows = 3;
      std::vector<float> x = plain::normal(static_cast<std::size_t>(rows * cols), 1);
      for (float& value : x) value += offset;
      const std::vector<float> weight = plain::normal(static_cast<std::size_t>(cols), 2);
      const std::vector<float> bias = plain::normal(static_cast<std::size_t>(cols), 3);
      std::vector<float> out(x.size() + 1, 12345.0f);
      LayerNormArgs args{.x = x.data(),
                         .weight = weight.data(),
                         .bias = bias.data(),
                         .out = out.data(),
                         .rows = rows,
                         .cols = cols,
                         .epsilon = 1e-5f};
      table().layer_norm(args);
      ASSERT_EQ(out.back(), 12345.0f);
      for (std::int64_t row = 0; row < rows; ++row) {
        double mean = 0.0, variance = 0.0;
        for (std::int64_t i = 0; i < cols; ++i) mean += double{x[row * cols + i]} / static_cast<double>(cols);
        for (std::int64_t i = 0; i < cols; ++i)
          variance += std::pow(x[row * cols + i] - mean, 2.0) / static_cast<double>(cols);
        for (std::int64_t i = 0; i < cols; ++i) {
          const double normed = (x[row * cols + i] - mean) / std::sqrt(variance + double{1e-5f}) * weight[i];
          // Sums are in double, so only the last few operations round: relative to the two terms of the result.
          ASSERT_NEAR(out[row * cols + i], normed + bias[i], 1e-6 * (std::fabs(normed) + std::fabs(bias[i])) + 1e-7)
              << cols << " columns around " << offset;
        }
      }
      std::vector<float> in_place = x;
      args.x = args.out = in_place.data();
      table().layer_norm(args);
      ASSERT_TRUE(plain::same_bits(in_place.data(), out.data(), x.size()));
    }
  }
}

TEST_P(LayerNorm, GivesARowTheSameBitsAmongOthersAndKeepsNanToItself) {
  const std::int64_t rows = 9, cols = 101;
  std::vector<float> x = plain::normal(rows * cols, 1), weight(cols, 1.5f), bias(cols, 0.5f);
  x[4 * cols + 100] = kNan;
  std::vector<float> together(x.size()), alone(x.size());
  table().layer_norm({x.data(), weight.data(), bias.data(), together.data(), rows, cols, 1e-5f});
  for (std::int64_t row = 0; row < rows; ++row) {
    table().layer_norm({x.data() + row * cols, weight.data(), bias.data(), alone.data() + row * cols, 1, cols, 1e-5f});
    for (std::int64_t i = 0; i < cols; ++i) ASSERT_EQ(std::isnan(together[row * cols + i]), row == 4);
    if (row == 4) continue;
    ASSERT_TRUE(plain::same_bits(&together[row * cols], &alone[row * cols], cols));
  }
}

GANGLION_FOR_EVERY_TABLE(LayerNorm);

using RmsNorm = plain::EveryTable;

TEST_P(RmsNorm, AgreesWithDoublePrecision) {
  for (const std::int64_t cols : {1, 2, 7, 8, 31, 64, 100, 768, 2049}) {
    for (const float scale : {1e-3f, 1.0f, 1e18f}) {  // the square of the last is no float
      const std::int64_t rows = 3;
      const std::vector<float> x = plain::normal(static_cast<std::size_t>(rows * cols), 1, scale);
      const std::vector<float> weight = plain::normal(static_cast<std::size_t>(cols), 2);
      std::vector<float> out(x.size() + 1, 12345.0f);
      RmsNormArgs args{
          .x = x.data(), .weight = weight.data(), .out = out.data(), .rows = rows, .cols = cols, .epsilon = 1e-5f};
      table().rms_norm(args);
      ASSERT_EQ(out.back(), 12345.0f);
      for (std::int64_t row = 0; row < rows; ++row) {
        double square = 0.0;
        for (std::int64_t i = 0; i < cols; ++i)
          square += std::pow(double{x[row * cols + i]}, 2.0) / static_cast<double>(cols);
        for (std::int64_t i = 0; i < cols; ++i) {
          const double exact = x[row * cols + i] / std::sqrt(square + double{1e-5f}) * weight[i];
          // The sum is in double; the scale and two products round, 2^-24 of the result each.
          ASSERT_NEAR(out[row * cols + i], exact, 3 * 0x1p-24 * std::fabs(exact) + 1e-44) << cols << " of " << scale;
        }
      }
      std::vector<float> in_place = x;
      args.x = args.out = in_place.data();
      table().rms_norm(args);
      ASSERT_TRUE(plain::same_bits(in_place.data(), out.data(), x.size()));
    }
  }
}

TEST_P(RmsNorm, GivesARowTheSameBitsAmongOthersAndKeepsNanToItself) {
  const std::int64_t rows = 9, cols = 101;
  std::vector<float> x = plain::normal(rows * cols, 1), weight(cols, 1.5f);
  x[4 * cols + 100] = kNan;
  std::vector<float> together(x.size()), alone(x.size());
  table().rms_norm({x.data(), weight.data(), together.data(), rows, cols, 1e-5f});
  for (std::int64_t row = 0; row < rows; ++row) {
    table().rms_norm({x.data() + row * cols, weight.data(), alone.data() + row * cols, 1, cols, 1e-5f});
    for (std::int64_t i = 0; i < cols; ++i) ASSERT_EQ(std::isnan(together[row * cols + i]), row == 4);
    if (row == 4) continue;
    ASSERT_TRUE(plain::same_bits(&together[row * cols], &alone[row * cols], cols));
  }
}

GANGLION_FOR_EVERY_TABLE(RmsNorm);

using Softmax = plain::EveryTable;

TEST_P(Softmax, AgreesWithDoublePrecision) {
  for (const std::int64_t cols : {1, 3, 8, 17, 64, 1000}) {
    const std::int64_t rows = 4;
    std::vector<float> x = plain::normal(static_cast<std::size_t>(rows * cols), 1, 20.0f);
    if (cols > 8) x[7] = -kInfinity;
    std::vector<float> out(x.size() + 1, 12345.0f);
    table().softmax(x.data(), out.data(), rows, cols);
    ASSERT_EQ(out.back(), 12345.0f);
    for (std::int64_t row = 0; row < rows; ++row) {
      double top = -1e300, total = 0.0;
      for (std::int64_t i = 0; i < cols; ++i) top = std::max(top, double{x[row * cols + i]});
      for (std::int64_t i = 0; i < cols; ++i) total += std::exp(x[row * cols + i] - top);
      for (std::int64_t i = 0; i < cols; ++i) {
        const double exact = std::exp(x[row * cols + i] - top) / total;
        // x - top is rounded: at a distance of 100 that is 100 * 2^-24 = 6e-6 of the result.
        ASSERT_NEAR(out[row * cols + i], exact, 8e-6 * exact + 1e-37) << cols;
      }
    }
    std::vector<float> in_place = x;
    table().softmax(in_place.data(), in_place.data(), rows, cols);
    ASSERT_TRUE(plain::same_bits(in_place.data(), out.data(), x.size()));
  }
}

TEST_P(Softmax, ShowsANanInItsOwnRowOnly) {
  std::vector<float> x = plain::normal(3 * 50, 1), out(x.size());
  for (const std::int64_t at : {0, 13, 49}) {
    std::vector<float> bad = x;
    bad[50 + at] = kNan;
    table().softmax(bad.data(), out.data(), 3, 50);
    for (std::size_t i = 0; i < out.size(); ++i) ASSERT_EQ(std::isnan(out[i]), i / 50 == 1) << i;
  }
}

GANGLION_FOR_EVERY_TABLE(Softmax);

}  // namespace
}  // namespace ganglion::kernels
