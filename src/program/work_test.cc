#include "program/work.h"

#include <gtest/gtest.h>

namespace ganglion::program {
namespace {

Operand array(DType dtype, Dims dims, std::int32_t rows = kAllRows, Space space = Space::kArena) {
  Operand operand;
  operand.space = space;
  operand.dtype = dtype;
  operand.rows = rows;
  operand.dims = std::move(dims);
  return operand;
}

Step matmul(DType storage, bool per_rank = false) {
  Step step;
  MatmulParams params;
  params.k = 64;
  params.n = 32;
  params.storage = storage;
  params.has_bias = true;
  params.group = storage == DType::kS4 ? 32 : 0;
  step.params = params;
  step.operands = {array(DType::kF32, {8, 64}, 0), array(storage, {32, 64}, kAllRows, Space::kWeight)};
  if (storage == DType::kS8) step.operands.push_back(array(DType::kF32, {32}, kAllRows, Space::kWeight));
  if (storage == DType::kS4) step.operands.push_back(array(DType::kBF16, {32, 2}, kAllRows, Space::kWeight));
  step.operands.push_back(array(DType::kF32, {32}, kAllRows, Space::kWeight));
  step.results = {array(DType::kF32, {8, 32}, 0)};
  step.per_rank = per_rank;
  return step;
}

Work at_rows(const SizedWork& work, std::int64_t rows, double cached = 0, double pairs = 0) {
  return work.at({.rows = {&rows, 1}, .cached = cached, .pairs = pairs});
}

TEST(Work, OfAMatmulIsItsWeightOnceAndItsRows) {
  const SizedWork work = work_of(matmul(DType::kF16), 1);
  const Work three = at_rows(work, 3);
  EXPECT_EQ(three.bytes, 2 * 64 * 32 + 4 * 32 + 3 * 4 * (64 + 32));
  EXPECT_EQ(three.flops, 3 * 32 * (2 * 64 + 1));
}

TEST(Work, OfQuantizedWeightsHasTheirScales) {
  const double rows_and_bias = 4 * 32 + 4 * (64 + 32);
  EXPECT_EQ(at_rows(work_of(matmul(DType::kS8), 1), 1).bytes, 64 * 32 + 4 * 32 + rows_and_bias);
  EXPECT_EQ(at_rows(work_of(matmul(DType::kS4), 1), 1).bytes, 64 * 32 / 2 + 2 * 32 * 2 + rows_and_bias);
}

TEST(Work, OfNoRowsIsNone) {
  const Work none = at_rows(work_of(matmul(DType::kF32), 1), 0);
  EXPECT_EQ(none.bytes, 0);
  EXPECT_EQ(none.flops, 0);
}

TEST(Work, OfAStepOfEveryRankIsThatOfAllRanks) {
  const Work one = at_rows(work_of(matmul(DType::kF32), 4), 2);
  const Work all = at_rows(work_of(matmul(DType::kF32, true), 4), 2);
  EXPECT_EQ(all.bytes, 4 * one.bytes);
  EXPECT_EQ(all.flops, 4 * one.flops);
}

TEST(Work, OfAttentionReadsEachSequenceOnceAndMultipliesForEachToken) {
  Step step;
  AttentionParams params;
  params.heads = 4;
  params.kv_heads = 2;
  params.head_dim = 16;
  step.params = params;
  step.operands = {array(DType::kF32, {8, 64}, 0),
                   array(DType::kF16, {10, 2, 16, 32}, kAllRows, Space::kState),
                   array(DType::kF16, {10, 2, 32, 16}, kAllRows, Space::kState),
                   array(DType::kS32, {2, 4}),
                   array(DType::kS32, {8}, 0),
                   array(DType::kS32, {8}, 0)};
  step.results = {array(DType::kF32, {8, 64}, 0)};
  // A prompt of three tokens: positions 0, 1, 2.
  const Work work = at_rows(work_of(step, 1), 3, 3, 1 + 2 + 3);
  EXPECT_EQ(work.bytes, 3 * 2 * 2 * 16 * 2 + 3 * 2 * 64 * 4);
  EXPECT_EQ(work.flops, 6 * 4 * 4 * 16);
}

TEST(Work, OfAProgramIsTheSumOverItsStepsWhateverTheirSizes) {
  std::vector<Step> steps = {matmul(DType::kF32), matmul(DType::kS8), matmul(DType::kF16)};
  for (Operand* operand : {&steps[2].operands[0], &steps[2].results[0]}) operand->rows = 1;
  std::vector<SizedWork> sum;
  Work wanted;
  for (const std::int64_t logits : {0, 2}) {
    const std::int64_t rows[] = {5, logits};
    const RunSizes sizes{.rows = rows, .cached = 0, .pairs = 0};
    sum.clear();
    wanted = {};
    for (const Step& step : steps) {
      add_work(sum, work_of(step, 1));
      wanted += work_of(step, 1).at(sizes);
    }
    EXPECT_EQ(sum.size(), 2u);
    EXPECT_EQ(work_at(sum, sizes).bytes, wanted.bytes);
    EXPECT_EQ(work_at(sum, sizes).flops, wanted.flops);
  }
}

TEST(Work, OfANameIsTheFirstWordOfTheDescription) {
  const Step step = matmul(DType::kF16);
  EXPECT_EQ(describe(step).substr(0, kind(step).size()), kind(step));
}

}  // namespace
}  // namespace ganglion::program
