#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "tensor/source.h"

namespace ganglion {
namespace {

Tensor counting(Dims dims) {
  Tensor out(DType::kS32, std::move(dims));
  std::iota(out.as<std::int32_t>().begin(), out.as<std::int32_t>().end(), 0);
  return out;
}

TEST(Tensor, IsZeroedAlignedAndMovable) {
  Tensor large(DType::kF32, {1024, 1024});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(large.data()) % 64, 0u);
  for (float value : large.as<float>()) ASSERT_EQ(value, 0.0f);
  const Tensor moved = std::move(large);
  EXPECT_EQ(moved.bytes(), 4u << 20);
}

TEST(Tensor, AShapeWhoseProductOverflowsIsRefused) {
  EXPECT_THROW(element_count(Dims{1LL << 40, 1LL << 40}), Error);
  EXPECT_THROW(element_count(Dims{-1}), Error);
  EXPECT_EQ(element_count(Dims{1LL << 40, 0, 1LL << 40}), 0);
  EXPECT_EQ(element_count(Dims{}), 1);
}

TEST(TensorSource, ASliceOfColumnsReadsTheRightElements) {
  const auto whole = tensor_source(counting({3, 4}));
  const Tensor part = read_all(*slice_source(whole, 1, 1, 3));
  EXPECT_EQ(part.dims(), (Dims{3, 2}));
  EXPECT_EQ(std::vector<std::int32_t>(part.as<std::int32_t>().begin(), part.as<std::int32_t>().end()),
            (std::vector<std::int32_t>{1, 2, 5, 6, 9, 10}));
}

TEST(TensorSource, ASliceOfRowsReadsTheRightElements) {
  const auto whole = tensor_source(counting({3, 2}));
  const Tensor part = read_all(*slice_source(whole, 0, 1, 3));
  EXPECT_EQ(std::vector<std::int32_t>(part.as<std::int32_t>().begin(), part.as<std::int32_t>().end()),
            (std::vector<std::int32_t>{2, 3, 4, 5}));
}

std::vector<std::int32_t> numbers(const TensorSource& source) {
  const Tensor all = read_all(source);
  return {all.as<std::int32_t>().begin(), all.as<std::int32_t>().end()};
}

TEST(TensorSource, ATransposedMatrixReadsAnyRowsAndBlocks) {
  const auto whole = tensor_source(counting({70, 45}));  // more than a tile each way
  const auto turned = transposed_source(whole);
  ASSERT_EQ(turned->dims(), (Dims{45, 70}));
  const std::vector<std::int32_t> all = numbers(*turned);
  for (std::int64_t row = 0; row < 45; ++row) {
    for (std::int64_t column = 0; column < 70; ++column) ASSERT_EQ(all[row * 70 + column], column * 45 + row);
  }
  EXPECT_EQ(numbers(*slice_source(slice_source(turned, 0, 3, 5), 1, 68, 70)),
            (std::vector<std::int32_t>{68 * 45 + 3, 69 * 45 + 3, 68 * 45 + 4, 69 * 45 + 4}));
  EXPECT_EQ(numbers(*transposed_source(turned)), numbers(*whole));
}

TEST(TensorSource, ATransposedMatrixOfAnyElementSizeKeepsItsElements) {
  for (const DType dtype : {DType::kS8, DType::kBF16, DType::kF32, DType::kS64}) {
    Tensor tensor(dtype, {2, 3});
    for (std::int64_t i = 0; i < 6; ++i) set_element_from_double(tensor.mutable_view(), i, static_cast<double>(i));
    const Tensor turned = read_all(*transposed_source(tensor_source(std::move(tensor))));
    for (std::int64_t i = 0; i < 6; ++i) {
      EXPECT_EQ(element_as_double(turned.view(), i), static_cast<double>(i % 2 * 3 + i / 2)) << dtype_name(dtype);
    }
  }
}

TEST(TensorSource, BlocksOfRowsAreReadAcrossTheirBorders) {
  const auto whole = tensor_source(counting({10, 2}));
  EXPECT_EQ(numbers(*row_blocks_source(whole, {.offset = 1, .size = 2, .stride = 4, .count = 2})),
            (std::vector<std::int32_t>{2, 3, 4, 5, 10, 11, 12, 13}));
  Tensor middle(DType::kS32, {2, 2});
  row_blocks_source(whole, {.offset = 0, .size = 2, .stride = 8, .count = 2})->read_rows(1, 3, middle.data());
  EXPECT_EQ(numbers(*tensor_source(std::move(middle))), (std::vector<std::int32_t>{2, 3, 16, 17}));
}

TEST(TensorSource, BlocksBeyondTheEndAreAnError) {
  const auto whole = tensor_source(counting({10, 2}));
  EXPECT_THROW(row_blocks_source(whole, {.offset = 1, .size = 2, .stride = 4, .count = 3}), Error);
  EXPECT_THROW(row_blocks_source(whole, {.offset = 0, .size = 3, .stride = 2, .count = 2}), Error);
}

TEST(TensorSource, SlicesOfBlocksOfATransposedMatrixAreWhatARankHas) {
  // Stored [in 3, out 8]: two groups of (q, k) with 2 outputs each; the second rank's half of all q, inputs 1 and 2.
  const auto stored = tensor_source(counting({3, 8}));
  const auto q = row_blocks_source(transposed_source(stored), {.offset = 0, .size = 2, .stride = 4, .count = 2});
  EXPECT_EQ(numbers(*slice_source(q, 0, 2, 4)), (std::vector<std::int32_t>{4, 12, 20, 5, 13, 21}));
  EXPECT_EQ(numbers(*slice_source(slice_source(q, 0, 1, 3), 1, 1, 3)), (std::vector<std::int32_t>{9, 17, 12, 20}));
}

TEST(Tensor, ElementsOfEveryTypeSurviveTheWayThroughDouble) {
  for (int i = 0; i < kDTypeCount; ++i) {
    Tensor tensor(static_cast<DType>(i), {2});
    set_element_from_double(tensor.mutable_view(), 1, 1.0);
    EXPECT_EQ(element_as_double(tensor.view(), 0), 0.0);
    EXPECT_EQ(element_as_double(tensor.view(), 1), 1.0);
  }
}

}  // namespace
}  // namespace ganglion
