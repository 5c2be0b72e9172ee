#include "runtime/cpu/executable.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "hlo/builder.h"
#include "hlo/composite.h"

namespace ganglion::runtime {
namespace {

using hlo::Builder;
using hlo::Shape;
using hlo::Value;

Tensor floats(Dims dims, const std::vector<float>& values) {
  return Tensor::from<float>(DType::kF32, std::move(dims), values);
}
Tensor integers(Dims dims, const std::vector<std::int32_t>& values) {
  return Tensor::from<std::int32_t>(DType::kS32, std::move(dims), values);
}

std::unique_ptr<Executable> compile(Builder& builder, const std::vector<Value>& outputs,
                                    const std::vector<Builder::AliasTo>& aliases = {}, int ranks = 1) {
  return compile_for_cpu(builder.finish(outputs, aliases), {ranks, "", nullptr});
}

// One run with one list of inputs; results into `out`.
void run(Executable& executable, const std::vector<const Tensor*>& inputs, const std::vector<Tensor*>& out) {
  std::vector<std::vector<TensorView>> lists(1);
  for (const Tensor* tensor : inputs) lists[0].push_back(tensor->view());
  std::vector<std::vector<MutableTensorView>> results(1);
  for (Tensor* tensor : out) results[0].push_back(tensor->mutable_view());
  executable.run(lists, results);
}

Code code_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Code::kInternal;
}

// y = x + 1 with bounded rows.
std::unique_ptr<Executable> bounded_increment() {
  Builder b("increment");
  const Value count = b.input("count", Shape::array(DType::kS32, {}));
  const Value x = b.bounded_input("x", Shape::array(DType::kF32, {4, 2}), count);
  return compile(b, {x + 1.0});
}

TEST(CpuExecutable, ComputesAsManyRowsAsTheSizeInputSays) {
  const auto executable = bounded_increment();
  for (const std::int32_t rows : {0, 1, 3, 4}) {
    Tensor out(DType::kF32, {4, 2});
    const Tensor count = integers({}, {rows}), x(DType::kF32, {rows, 2});
    run(*executable, {&count, &x}, {&out});
    for (std::int64_t i = 0; i < 8; ++i) EXPECT_EQ(out.as<float>()[static_cast<std::size_t>(i)], i < rows * 2 ? 1 : 0);
  }
}

TEST(CpuExecutable, RefusesRowsOutsideTheBound) {
  const auto executable = bounded_increment();
  Tensor out(DType::kF32, {4, 2});
  for (const std::int32_t rows : {-1, 5}) {
    const Tensor count = integers({}, {rows}), x(DType::kF32, {4, 2});
    EXPECT_EQ(code_of([&] { run(*executable, {&count, &x}, {&out}); }), Code::kInvalidArgument);
  }
}

TEST(CpuExecutable, RefusesInputsAndResultsOfOtherShapes) {
  const auto executable = bounded_increment();
  const Tensor count = integers({}, {2}), good(DType::kF32, {2, 2}), short_rows(DType::kF32, {1, 2});
  const Tensor other_type(DType::kF16, {2, 2});
  Tensor out(DType::kF32, {2, 2}), small(DType::kF32, {1, 2});
  EXPECT_EQ(code_of([&] { run(*executable, {&count, &short_rows}, {&out}); }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([&] { run(*executable, {&count, &other_type}, {&out}); }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([&] { run(*executable, {&count}, {&out}); }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([&] { run(*executable, {&count, &good}, {&small}); }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([&] { run(*executable, {&count, &good}, {}); }), Code::kInvalidArgument);
}

TEST(CpuExecutable, RefusesAnUnknownKernelTable) {
  Builder b("m");
  const Value x = b.input("x", Shape::array(DType::kF32, {1}));
  auto module = b.finish({x});
  EXPECT_EQ(code_of([&] { compile_for_cpu(std::move(module), {1, "mmx", nullptr}); }), Code::kInvalidArgument);
}

std::unique_ptr<Executable> one_linear(int ranks, bool sharded) {
  Builder b("linear");
  const Value x = b.input("x", Shape::array(DType::kF32, {1, 3}));
  const Value w = b.weight("w", Shape::array(DType::kF16, {2, 3}), {.sharded = sharded});
  return compile(b, {hlo::linear(x, w)}, {}, ranks);
}

TEST(CpuExecutable, ConvertsAndPacksWeights) {
  const auto executable = one_linear(1, false);
  const std::vector<std::shared_ptr<const TensorSource>> source = {tensor_source(floats({2, 3}, {1, 2, 3, 4, 5, 6}))};
  executable->load_weight(1, source);
  const Tensor x = floats({1, 3}, {1, 10, 100});
  Tensor out(DType::kF32, {1, 2});
  run(*executable, {&x}, {&out});
  EXPECT_EQ(out.as<float>()[0], 321);
  EXPECT_EQ(out.as<float>()[1], 654);
}

TEST(CpuExecutable, RefusesWeightsThatDoNotFit) {
  const auto executable = one_linear(2, true);
  const auto source = [](Tensor tensor) {
    return std::vector<std::shared_ptr<const TensorSource>>(2, tensor_source(std::move(tensor)));
  };
  EXPECT_EQ(code_of([&] {
              executable->load_weight(0, source(floats({2, 3}, std::vector<float>(6))));
            }),
            Code::kInvalidArgument);
  EXPECT_EQ(code_of([&] {
              executable->load_weight(7, source(floats({2, 3}, std::vector<float>(6))));
            }),
            Code::kInvalidArgument);
  EXPECT_EQ(code_of([&] {
              executable->load_weight(1, source(floats({3, 2}, std::vector<float>(6))));
            }),
            Code::kInvalidArgument);
  EXPECT_EQ(code_of([&] {
              executable->load_weight(1, source(integers({2, 3}, std::vector<std::int32_t>(6))));
            }),
            Code::kInvalidArgument);
  auto one = source(floats({2, 3}, std::vector<float>(6)));
  one.resize(1);
  EXPECT_EQ(code_of([&] { executable->load_weight(1, one); }), Code::kInvalidArgument);
}

TEST(CpuExecutable, RefusesToRunBeforeTheWeightsAreLoaded) {
  const auto executable = one_linear(1, false);
  const Tensor x(DType::kF32, {1, 3});
  Tensor out(DType::kF32, {1, 2});
  EXPECT_EQ(code_of([&] { run(*executable, {&x}, {&out}); }), Code::kInvalidArgument);
}

TEST(CpuExecutable, CountsAWeightThatRanksShareOnce) {
  const std::int64_t whole = one_linear(1, false)->footprint().weights;
  EXPECT_EQ(one_linear(4, false)->footprint().weights, whole);
  EXPECT_EQ(one_linear(4, true)->footprint().weights, 4 * whole);
}

TEST(CpuExecutable, KeepsItsStateBetweenRuns) {
  Builder b("sum");
  const Value x = b.input("x", Shape::array(DType::kF32, {2}));
  const Value total = b.state("total", Shape::array(DType::kF32, {2}));
  const auto executable = compile(b, {total + x}, {{0, total}});
  const Tensor ones = floats({2}, {1, 2});
  for (int i = 0; i < 3; ++i) run(*executable, {&ones}, {});
  EXPECT_EQ(executable->state(1, 0).as<float>()[1], 6);
}

TEST(CpuExecutable, RefusesCacheIndicesOutsideTheCache) {
  Builder b("write");
  const Value rows = b.input("rows", Shape::array(DType::kF32, {1, 8}));
  const Value slot = b.input("slot", Shape::array(DType::kS32, {1}));
  const Value cache = b.state("cache", Shape::array(DType::kF32, {2, 1, 8, 16}));
  const auto executable = compile(b, {hlo::kv_write(cache, rows, slot, hlo::CacheKind::kKey)}, {{0, cache}});
  const Tensor row(DType::kF32, {1, 8}), outside = integers({1}, {32}), none = integers({1}, {-1});
  EXPECT_EQ(code_of([&] { run(*executable, {&row, &outside}, {}); }), Code::kInvalidArgument);
  run(*executable, {&row, &none}, {});
}

TEST(CpuExecutable, GoesRoundAWhileUntilItsConditionFails) {
  Builder b("count");
  const Value n = b.input("n", Shape::array(DType::kS32, {}));
  const std::vector<Shape> carried = {Shape::tuple({n.shape(), n.shape()})};
  const auto part = [](const std::vector<Value>& values, int i) { return hlo::get_tuple_element(values[0], i); };
  hlo::Computation* condition = b.computation("condition", carried, [&](const std::vector<Value>& values) {
    return hlo::compare(part(values, 0), b.scalar(DType::kS32, 0), hlo::Comparison::kGt);
  });
  hlo::Computation* body = b.computation("body", carried, [&](const std::vector<Value>& values) {
    return hlo::tuple({part(values, 0) - 1.0, part(values, 1) + part(values, 0)});
  });
  const Value end = hlo::while_loop(hlo::tuple({n, b.scalar(DType::kS32, 0)}), condition, body);
  const auto executable = compile(b, {hlo::get_tuple_element(end, 1)});
  const Tensor hundred = integers({}, {100});
  Tensor sum(DType::kS32, {});
  run(*executable, {&hundred}, {&sum});
  EXPECT_EQ(sum.as<std::int32_t>()[0], 5050);
}

TEST(CpuExecutable, GivesEveryRankItsOwnInputsWhenTheyAreGiven) {
  Builder b("ranks");
  const Value x = b.input("x", Shape::array(DType::kF32, {2}));
  const Value sum = hlo::all_reduce(x, b.binary_computation(hlo::Opcode::kAdd, DType::kF32));
  const auto executable = compile(b, {sum - x}, {}, 3);
  std::vector<Tensor> given, out;
  std::vector<std::vector<TensorView>> inputs(3);
  std::vector<std::vector<MutableTensorView>> results(3);
  for (int rank = 0; rank < 3; ++rank) {
    given.push_back(floats({2}, {static_cast<float>(rank), 1}));
    out.emplace_back(DType::kF32, Dims{2});
  }
  for (std::size_t rank = 0; rank < 3; ++rank) {
    inputs[rank] = {given[rank].view()};
    results[rank] = {out[rank].mutable_view()};
  }
  executable->run(inputs, results);
  for (std::size_t rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(out[rank].as<float>()[0], 3 - static_cast<float>(rank));
    EXPECT_EQ(out[rank].as<float>()[1], 2);
  }
}

TEST(CpuExecutable, TimesItsStepsWhenAsked) {
  const auto executable = bounded_increment();
  executable->profile(true);
  const Tensor count = integers({}, {2}), x(DType::kF32, {2, 2});
  Tensor out(DType::kF32, {2, 2});
  run(*executable, {&count, &x}, {&out});
  const auto times = executable->step_times();
  ASSERT_EQ(times.size(), executable->describe_steps().size());
  EXPECT_EQ(times[0].runs, 1);
  EXPECT_GT(times[0].seconds, 0);
}

}  // namespace
}  // namespace ganglion::runtime
