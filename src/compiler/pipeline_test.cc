// What the passes make of small modules, seen in the program.
#include "compiler/pipeline.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "hlo/builder.h"
#include "hlo/composite.h"

namespace ganglion::compiler {
namespace {

using hlo::Builder;
using hlo::Shape;
using hlo::Value;

program::Program compile_module(std::unique_ptr<hlo::Module> module, int ranks = 1, std::set<std::string> off = {}) {
  Options options;
  options.ranks = ranks;
  options.table = kernels::find_table("scalar");
  options.off = std::move(off);
  return compile(*module, options);
}

std::vector<std::string> descriptions(const program::Program& program) {
  std::vector<std::string> lines;
  for (const program::Step& step : program.steps) lines.push_back(program::describe(step));
  return lines;
}

using Lines = std::vector<std::string>;

Shape f32(Dims dims) { return Shape::array(DType::kF32, std::move(dims)); }

// x[2,8] through a linear of 4 outputs, then `rest`.
std::unique_ptr<hlo::Module> with_linear(const std::function<Value(Builder&, Value x, Value y)>& rest) {
  Builder b("m");
  const Value x = b.input("x", f32({2, 8}));
  const Value w = b.weight("w", f32({8, 8}), {});
  return b.finish({rest(b, x, hlo::linear(x, w))});
}

Value zeros_like(Builder& b, Value x) { return hlo::broadcast_like(b.scalar(DType::kF32, 0), x, {}); }

TEST(FuseEpilogue, TakesBiasActivationAndResidualIntoTheMatmul) {
  auto module = with_linear([](Builder& b, Value x, Value y) {
    const Value bias = b.weight("b", f32({8}), {});
    return hlo::maximum(y + hlo::broadcast_like(bias, y, {1}), zeros_like(b, y)) + x;
  });
  EXPECT_EQ(descriptions(compile_module(std::move(module))), (Lines{"matmul f32 f32[2,8]x[8,8] bias relu residual"}));
}

TEST(FuseEpilogue, TakesGeluAndLeavesWhatComesAfterTheResidual) {
  auto module =
      with_linear([](Builder&, Value x, Value y) { return hlo::exponential(hlo::gelu(y, hlo::GeluForm::kTanh) + x); });
  EXPECT_EQ(descriptions(compile_module(std::move(module))),
            (Lines{"matmul f32 f32[2,8]x[8,8] gelu-tanh residual", "elementwise exponential f32[2,8]"}));
}

TEST(FuseEpilogue, KeepsAMatmulThatSomebodyElseReads) {
  auto module = with_linear([](Builder&, Value x, Value y) { return (y + x) * hlo::exponential(y); });
  const Lines lines = descriptions(compile_module(std::move(module)));
  EXPECT_EQ(lines[0], "matmul f32 f32[2,8]x[8,8]");
}

TEST(FuseEpilogue, TakesTheResidualIntoAnAllReduce) {
  auto module = with_linear([](Builder& b, Value x, Value y) {
    return hlo::all_reduce(y, b.binary_computation(hlo::Opcode::kAdd, DType::kF32)) + x;
  });
  EXPECT_EQ(descriptions(compile_module(std::move(module), 2)),
            (Lines{"matmul f32 f32[2,8]x[8,8]", "all_reduce f32[2,8] residual"}));
}

TEST(Simplify, DropsACollectiveOfOneRank) {
  auto module = with_linear([](Builder& b, Value x, Value y) {
    return hlo::all_reduce(y, b.binary_computation(hlo::Opcode::kAdd, DType::kF32)) + x;
  });
  EXPECT_EQ(descriptions(compile_module(std::move(module))), (Lines{"matmul f32 f32[2,8]x[8,8] residual"}));
}

TEST(Simplify, RefusesGroupsThatDoNotSplitTheRanks) {
  auto module = with_linear([](Builder& b, Value, Value y) {
    return hlo::all_reduce(y, b.binary_computation(hlo::Opcode::kAdd, DType::kF32), {{0, 1}, {2, 3}});
  });
  EXPECT_THROW(compile_module(std::move(module), 2), Error);
}

TEST(RecogniseMatmul, PacksAWeightThatIsConvertedOrStoredTheOtherWayRound) {
  Builder b("m");
  const Value x = b.input("x", f32({2, 8}));
  const Value half = b.weight("half", Shape::array(DType::kF16, {4, 8}), {});
  const Value turned = b.weight("turned", f32({8, 4}), {});
  const Value one = hlo::dot(x, hlo::convert(half, DType::kF32), {{1}, {1}, {}, {}});
  const Value two = hlo::dot(x, turned, {{1}, {0}, {}, {}});
  const program::Program program = compile_module(b.finish({one, two}));
  EXPECT_EQ(descriptions(program), (Lines{"matmul f16 f32[2,8]x[4,8]", "matmul f32 f32[2,8]x[4,8]"}));
  ASSERT_EQ(program.weights.size(), 2u);
  EXPECT_FALSE(program.weights[0].transposed);
  EXPECT_TRUE(program.weights[1].transposed);
}

// A table whose matmuls read rows that were prepared, as those of some instruction sets.
kernels::Table table_that_prepares() {
  kernels::Table table = *kernels::find_table("scalar");
  table.prepared_bytes = [](kernels::Storage, std::int64_t rows, std::int64_t k, std::int64_t) noexcept {
    return rows * k * 2;
  };
  return table;
}

TEST(PrepareRows, HappensOnceForAllMatmulsOfTheSameRowsAndAgainForOtherColumns) {
  Builder b("m");
  const Value x = b.input("x", f32({64, 32}));
  const Value one = b.weight("one", f32({8, 32}), {});
  const Value two = b.weight("two", f32({4, 32}), {});
  const Value wide = b.weight("wide", f32({8, 64}), {});
  const auto module =
      b.finish({hlo::linear(x, one), hlo::linear(x, two), hlo::linear(hlo::reshape(x, {32, 64}), wide)});
  const kernels::Table table = table_that_prepares();
  Options options;
  options.table = &table;
  const program::Program program = compile(*module, options);
  EXPECT_EQ(descriptions(program),
            (Lines{"prepare_rows f32 f32[64,32]", "matmul f32 f32[64,32]x[8,32]", "matmul f32 f32[64,32]x[4,32]",
                   "prepare_rows f32 f32[32,64]", "matmul f32 f32[32,64]x[8,64]"}));
  // Where what was prepared lies: the first two matmuls share it.
  EXPECT_EQ(program.steps[1].operands.back().offset, program.steps[0].results[0].offset);
  EXPECT_EQ(program.steps[2].operands.back().offset, program.steps[0].results[0].offset);
  EXPECT_EQ(program.steps[4].operands.back().offset, program.steps[3].results[0].offset);
  EXPECT_TRUE(program.steps[1].barrier);
}

TEST(Weights, UsedByLinearAndByEmbeddingAreKeptOnce) {
  Builder b("m");
  const Value ids = b.input("ids", Shape::array(DType::kS32, {3}));
  const Value table = b.weight("table", f32({16, 8}), {});
  const program::Program program = compile_module(b.finish({hlo::linear(hlo::embedding(table, ids), table)}));
  ASSERT_EQ(program.weights.size(), 1u);
  EXPECT_TRUE(program.weights[0].packed);
}

TEST(Weights, UsedByEmbeddingAndTurnedByADotAreKeptInBothForms) {
  Builder b("m");
  const Value ids = b.input("ids", Shape::array(DType::kS32, {3}));
  const Value table = b.weight("table", f32({16, 16}), {});
  const Value x = hlo::embedding(table, ids);
  const program::Program program = compile_module(b.finish({hlo::dot(x, table, {{1}, {0}, {}, {}})}));
  ASSERT_EQ(program.weights.size(), 2u);
  EXPECT_NE(program.weights[0].packed, program.weights[1].packed);
}

TEST(FuseElementwise, MakesAChainOneStep) {
  Builder b("m");
  const Value x = b.input("x", f32({4, 8}));
  const Value row = b.input("row", f32({8}));
  const Value y = hlo::exponential(x * 2.0 + hlo::broadcast_like(row, x, {1})) / x;
  EXPECT_EQ(descriptions(compile_module(b.finish({y}))),
            (Lines{"elementwise multiply add exponential divide f32[4,8]"}));
}

TEST(FuseElementwise, CanBeSwitchedOff) {
  Builder b("m");
  const Value x = b.input("x", f32({4, 8}));
  EXPECT_EQ(compile_module(b.finish({hlo::exponential(x + x)}), 1, {"fuse_elementwise"}).steps.size(), 2u);
}

TEST(FoldConstants, ComputesWhatIsKnown) {
  Builder b("m");
  const Value x = b.input("x", f32({}));
  const Value four = hlo::exponential(b.scalar(DType::kF32, 0)) + b.scalar(DType::kF32, 3);
  const program::Program program = compile_module(b.finish({x * four}));
  EXPECT_EQ(descriptions(program), (Lines{"elementwise multiply f32[]"}));
  EXPECT_EQ(*reinterpret_cast<const float*>(program.constants.data()), 4.0f);
}

TEST(ShareCommon, ComputesEqualNodesOnce) {
  Builder b("m");
  const Value x = b.input("x", f32({4}));
  const program::Program program =
      compile_module(b.finish({hlo::reverse(hlo::exponential(x), {0}), hlo::exponential(x)}));
  EXPECT_EQ(program.steps.size(), 2u);
}

TEST(States, AreUpdatedInPlaceWhenNobodyReadsTheOldValueLater) {
  Builder b("m");
  const Value cache = b.state("cache", f32({16}));
  const Value update = b.input("update", f32({2}));
  const Value at = b.input("at", Shape::array(DType::kS32, {}));
  const Value written = hlo::dynamic_update_slice(cache, update, {at});
  const program::Program program = compile_module(b.finish({written}, {{0, cache}}));
  ASSERT_EQ(program.steps.size(), 1u);
  EXPECT_EQ(program.steps[0].results[0].space, program::Space::kState);
}

TEST(States, AreCopiedWhenTheOldValueIsReadLater) {
  Builder b("m");
  const Value cache = b.state("cache", f32({16}));
  const Value update = b.input("update", f32({2}));
  const Value at = b.input("at", Shape::array(DType::kS32, {}));
  const Value written = hlo::dynamic_update_slice(cache, update, {at});
  const Value difference = written - cache;
  const program::Program program = compile_module(b.finish({written, difference}, {{0, cache}}));
  EXPECT_EQ(program.steps.back().results[0].space, program::Space::kState);
  EXPECT_GT(program.steps.size(), 2u);
}

TEST(MarkReplicated, ComputesOnceWhatIsEqualOnAllRanks) {
  Builder b("m");
  const Value x = b.input("x", f32({2, 8}));
  const Value gain = b.weight("gain", f32({8}), {});
  const Value shard = b.weight("w", f32({8, 8}), {.sharded = true});
  const Value normal = hlo::layer_norm(x, gain, gain, 1e-5f);
  const Value partial = hlo::linear(normal, shard);
  const Value sum = hlo::all_reduce(partial, b.binary_computation(hlo::Opcode::kAdd, DType::kF32));
  const program::Program program = compile_module(b.finish({hlo::exponential(sum)}), 2);
  std::vector<bool> per_rank;
  for (const program::Step& step : program.steps) per_rank.push_back(step.per_rank);
  EXPECT_EQ(per_rank, (std::vector<bool>{false, true, false, false}));
}

TEST(Pipeline, TimesAndDumpsEveryPass) {
  Builder b("m");
  const Value x = b.input("x", f32({2}));
  const auto module = b.finish({x + x});
  std::vector<PassTime> times;
  std::string text;
  Options options;
  options.table = kernels::find_table("scalar");
  options.times = &times;
  options.dump_after = "simplify";
  options.dump = [&](const std::string& dumped) { text = dumped; };
  compile(*module, options);
  EXPECT_EQ(times.size(), pass_names().size());
  EXPECT_NE(text.find("add"), std::string::npos);
}

}  // namespace
}  // namespace ganglion::compiler
