#include <gtest/gtest.h>

#include "agreement/teacher_forcing.h"

namespace ganglion::agreement {
namespace {

const std::filesystem::path kModel = std::filesystem::path(GANGLION_SOURCE_DIR) / "share" / "opt-demo";

// Over 2,000 tokens that the model wrote itself; the checkpoint is f16, so f16 storage of the weights loses nothing and
// the cache is what is rounded.
TEST(Agreement, HalfStorageSaysWhatF32SaysAtNinetyNinePercentOfThePositions) {
  const auto windows = self_written(kModel, 2000);
  const Predictions f32 = predict(kModel, {}, windows);
  ASSERT_GE(f32.best.size(), 2000u);
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    const Predictions half = predict(kModel, {.storage = dtype, .activation = DType::kF32, .kv = dtype}, windows);
    EXPECT_GE(agreement(half, f32), 0.99) << dtype_name(dtype);
    EXPECT_NEAR(half.nats, f32.nats, 0.02) << dtype_name(dtype);
  }
}

}  // namespace
}  // namespace ganglion::agreement
