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
