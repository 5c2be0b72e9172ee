#include "checkpoint/quantize.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
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

// Counts the elements that are read from it.
class Counted final : public TensorSource {
 public:
  explicit Counted(std::shared_ptr<const TensorSource> source) : source_(std::move(source)) {}
  DType dtype() const override { return source_->dtype(); }
  const Dims& dims() const override { return source_->dims(); }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    source_->read_rows(begin, end, out);
    read += (end - begin) * dims()[1];
  }
  void read_block(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last,
                  std::byte* out) const override {
    source_->read_block(begin, end, first, last, out);
    read += (end - begin) * (last - first);
  }
  mutable std::atomic<std::int64_t> read = 0;

 private:
  std::shared_ptr<const TensorSource> source_;
};

TEST(Quantize, TheMatrixIsReadOnceForItsNumbersAndItsScales) {
  for (const DType to : {DType::kS8, DType::kS4}) {
    const auto source = std::make_shared<Counted>(random_source(DType::kF16, {300, 128}, 0.02, 9));
    const QuantizedMatrix matrix = quantize(source, to, 32, "w");
    read_all(*matrix.numbers);
    read_all(*matrix.scales);
    EXPECT_EQ(source->read, 300 * 128);
    // Two ranks with half of the columns each: the scales of s8 want whole rows, which are read once.
    const auto halves = std::make_shared<Counted>(random_source(DType::kF16, {300, 128}, 0.02, 9));
    const QuantizedMatrix split = quantize(halves, to, 32, "w");
    for (const std::int64_t first : {0, 64}) {
      read_all(*slice_source(split.numbers, 1, first, first + 64));
      if (to == DType::kS4) read_all(*slice_source(split.scales, 1, first / 32, first / 32 + 2));
    }
    EXPECT_EQ(halves->read, 300 * 128 + 300 * 64);
  }
}

TEST(Quantize, ColumnsAndScalesAreTheSameInWhateverOrderTheyAreRead) {
  const auto source = random_source(DType::kF16, {40, 128}, 0.02, 10);
  for (const DType to : {DType::kS8, DType::kS4}) {
    const QuantizedMatrix wanted = quantize(source, to, 32, "w");
    const Tensor numbers = read_all(*wanted.numbers), scales = read_all(*wanted.scales);
    for (const auto& [first, last] : {std::pair{32, 96}, std::pair{5, 50}, std::pair{0, 128}}) {
      const QuantizedMatrix matrix = quantize(source, to, 32, "w");
      std::vector<std::byte> columns(static_cast<std::size_t>(40 * (last - first)));
      for (const char* when : {"before the scales are known", "after"}) {
        matrix.numbers->read_block(0, 40, first, last, columns.data());
        for (std::int64_t row = 0; row < 40; ++row) {
          ASSERT_EQ(std::memcmp(columns.data() + row * (last - first), numbers.data() + row * 128 + first,
                                static_cast<std::size_t>(last - first)),
                    0)
              << when << ", row " << row;
        }
      }
      const QuantizedMatrix scales_first = quantize(source, to, 32, "w");
      std::vector<std::byte> one(scales.bytes() / 40);
      scales_first.scales->read_rows(7, 8, one.data());  // the others stay unknown
      for (const Tensor& read : {read_all(*matrix.scales), read_all(*scales_first.scales)})
        ASSERT_EQ(std::memcmp(read.data(), scales.data(), scales.bytes()), 0);
      ASSERT_EQ(std::memcmp(read_all(*scales_first.numbers).data(), numbers.data(), numbers.bytes()), 0);
    }
  }
}

TEST(Quantize, ThreadsThatReadTheSameRowsAtOnceAllGetTheSame) {
  const auto source = random_source(DType::kF32, {200, 64}, 0.02, 11);
  for (const DType to : {DType::kS8, DType::kS4}) {
    const QuantizedMatrix wanted = quantize(source, to, 32, "w");
    const Tensor numbers = read_all(*wanted.numbers), scales = read_all(*wanted.scales);
    const QuantizedMatrix shared = quantize(source, to, 32, "w");
    ThreadPool pool(4);
    std::atomic<int> different = 0;
    pool.run([&](int thread) {
      const Tensor first = read_all(thread % 2 == 0 ? *shared.numbers : *shared.scales);
      const Tensor second = read_all(thread % 2 == 0 ? *shared.scales : *shared.numbers);
      const Tensor& my_numbers = thread % 2 == 0 ? first : second;
      const Tensor& my_scales = thread % 2 == 0 ? second : first;
      if (std::memcmp(my_numbers.data(), numbers.data(), numbers.bytes()) != 0) ++different;
      if (std::memcmp(my_scales.data(), scales.data(), scales.bytes()) != 0) ++different;
    });
    EXPECT_EQ(different, 0);
  }
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
