#include "runtime/cpu/executable.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/thread_pool.h"
#include "hlo/builder.h"
#include "hlo/composite.h"
#include "tensor/half.h"

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
                                    const std::vector<Builder::AliasTo>& aliases = {}, int ranks = 1,
                                    ThreadPool* pool = nullptr) {
  return compile_for_cpu(builder.finish(outputs, aliases), {ranks, "", pool});
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
std::unique_ptr<Executable> bounded_increment(ThreadPool* pool = nullptr) {
  Builder b("increment");
  const Value count = b.input("count", Shape::array(DType::kS32, {}));
  const Value x = b.bounded_input("x", Shape::array(DType::kF32, {4, 2}), count);
  return compile(b, {x + 1.0}, {}, 1, pool);
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

void load(Executable& executable, std::int64_t parameter, const std::vector<Tensor*>& per_rank) {
  WeightSources weight{parameter, {}};
  for (const Tensor* tensor : per_rank) weight.per_rank.push_back(tensor_source(tensor->clone()));
  executable.load_weights({std::move(weight)});
}

TEST(CpuExecutable, ConvertsAndPacksWeights) {
  const auto executable = one_linear(1, false);
  Tensor w = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  load(*executable, 1, {&w});
  const Tensor x = floats({1, 3}, {1, 10, 100});
  Tensor out(DType::kF32, {1, 2});
  run(*executable, {&x}, {&out});
  EXPECT_EQ(out.as<float>()[0], 321);
  EXPECT_EQ(out.as<float>()[1], 654);
}

TEST(CpuExecutable, RefusesWeightsThatDoNotFit) {
  const auto executable = one_linear(2, true);
  Tensor good(DType::kF32, {2, 3}), turned(DType::kF32, {3, 2}), whole_numbers(DType::kS32, {2, 3});
  const auto code = [&](std::int64_t parameter, const std::vector<Tensor*>& per_rank) {
    return code_of([&] { load(*executable, parameter, per_rank); });
  };
  EXPECT_EQ(code(0, {&good, &good}), Code::kInvalidArgument);
  EXPECT_EQ(code(7, {&good, &good}), Code::kInvalidArgument);
  EXPECT_EQ(code(1, {&turned, &turned}), Code::kInvalidArgument);
  EXPECT_EQ(code(1, {&whole_numbers, &whole_numbers}), Code::kInvalidArgument);
  EXPECT_EQ(code(1, {&good}), Code::kInvalidArgument);
  load(*executable, 1, {&good, &good});
}

// w[row, column] as a function of both, so that a row or panel in a wrong place shows.
class NumberedSource final : public TensorSource {
 public:
  NumberedSource(Dims dims, std::int64_t broken_row) : dims_(std::move(dims)), broken_row_(broken_row) {}
  static float number(std::int64_t row, std::int64_t column) {
    return static_cast<float>((row * 31 + column * 7) % 257 - 128);
  }
  DType dtype() const override { return DType::kF16; }
  const Dims& dims() const override { return dims_; }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    for (std::int64_t row = begin; row < end; ++row) {
      if (row == broken_row_) fail(Code::kDataCorrupt, "row {}", row);
      for (std::int64_t column = 0; column < dims_[1]; ++column, out += 2) {
        const std::uint16_t half = f32_to_f16(number(row, column));
        std::memcpy(out, &half, 2);
      }
    }
  }

 private:
  Dims dims_;
  std::int64_t broken_row_;
};

// Larger than a page of the image, and not a whole number of panels.
constexpr std::int64_t kRows = 3011, kColumns = 1024;

struct Large {
  ThreadPool pool{3};
  std::unique_ptr<Executable> executable;
};

std::unique_ptr<Large> large(bool from_columns) {
  auto out = std::make_unique<Large>();
  Builder b("large");
  const Value x = b.input("x", Shape::array(DType::kF32, {1, kColumns}));
  const Value bias = b.weight("bias", Shape::array(DType::kF32, {kRows}), {});
  const Dims dims = from_columns ? Dims{kColumns, kRows} : Dims{kRows, kColumns};
  const Value w = b.weight("w", Shape::array(DType::kF16, dims), {});
  const Value y = from_columns ? hlo::dot(x, hlo::convert(w, DType::kF32), {{1}, {0}, {}, {}}) : hlo::linear(x, w);
  out->executable = compile_for_cpu(b.finish({y + hlo::broadcast(bias, Shape::array(DType::kF32, {1, kRows}), {1})}),
                                    {1, "", &out->pool});
  return out;
}

std::vector<WeightSources> large_sources(bool from_columns, std::int64_t broken_row = -1) {
  Tensor bias(DType::kF32, {kRows});
  for (std::int64_t i = 0; i < kRows; ++i) bias.as<float>()[static_cast<std::size_t>(i)] = static_cast<float>(i);
  const Dims dims = from_columns ? Dims{kColumns, kRows} : Dims{kRows, kColumns};
  return {{1, {tensor_source(std::move(bias))}}, {2, {std::make_shared<NumberedSource>(dims, broken_row)}}};
}

TEST(CpuExecutable, EveryRowOfALargeWeightIsInItsPlace) {
  for (const bool from_columns : {false, true}) {
    const auto model = large(from_columns);
    std::int64_t most = 0;
    model->executable->load_weights(large_sources(from_columns), [&](std::int64_t bytes) {
      EXPECT_GE(bytes, most);
      most = bytes;
    });
    EXPECT_LE(most, model->executable->footprint().weights);
    for (const std::int64_t column : {std::int64_t{0}, std::int64_t{517}, kColumns - 1}) {
      Tensor x(DType::kF32, {1, kColumns}), out(DType::kF32, {1, kRows});
      x.as<float>()[static_cast<std::size_t>(column)] = 1;
      run(*model->executable, {&x}, {&out});
      for (std::int64_t row = 0; row < kRows; ++row) {
        const float number = from_columns ? NumberedSource::number(column, row) : NumberedSource::number(row, column);
        ASSERT_EQ(out.as<float>()[static_cast<std::size_t>(row)], number + static_cast<float>(row)) << row;
      }
    }
  }
}

TEST(CpuExecutable, ASourceThatFailsEndsTheLoadWithItsError) {
  const auto model = large(false);
  EXPECT_EQ(code_of([&] { model->executable->load_weights(large_sources(false, 2000)); }), Code::kDataCorrupt);
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

TEST(CpuExecutable, WritesDownWhenEachThreadRanEachStepWhileItIsAsked) {
  ThreadPool pool(2);
  const auto executable = bounded_increment(&pool);
  const Tensor count = integers({}, {2}), x(DType::kF32, {2, 2});
  Tensor out(DType::kF32, {2, 2});
  Recorder recorder;
  run(*executable, {&count, &x}, {&out});
  executable->record(&recorder);
  run(*executable, {&count, &x}, {&out});
  executable->record(nullptr);
  run(*executable, {&count, &x}, {&out});
  ASSERT_EQ(recorder.runs.size(), 1u);
  const RecordedRun& recorded = recorder.runs[0];
  ASSERT_EQ(recorded.threads, 2);
  EXPECT_EQ(recorded.rows, std::vector<std::int64_t>{2});
  ASSERT_EQ(recorder.steps.size(), executable->describe_steps().size());
  ASSERT_EQ(recorded.steps.size(), 2 * recorder.steps.size());
  for (int thread = 0; thread < 2; ++thread) {
    std::int64_t before = recorded.span.begin;
    for (std::size_t step = 0; step < recorder.steps.size(); ++step) {
      const TimeSpan& span = recorded.at(thread, step);
      EXPECT_LE(before, span.begin);
      EXPECT_LE(span.begin, span.end);
      before = span.end;
    }
    EXPECT_LE(before, recorded.span.end);
  }
}

TEST(CpuExecutable, CountsTheWorkOfTheRowsThatAreReal) {
  const auto executable = bounded_increment();
  const auto bytes = [&](std::int32_t rows) {
    const Tensor count = integers({}, {rows}), x(DType::kF32, {rows, 2});
    Tensor out(DType::kF32, {rows, 2});
    run(*executable, {&count, &x}, {&out});
    double sum = 0;
    for (const StepInfo& step : executable->steps()) sum += step.work.at(executable->last_sizes()).bytes;
    return sum;
  };
  EXPECT_EQ(bytes(0), 0);
  EXPECT_GE(bytes(1), 2 * 2 * sizeof(float));
  EXPECT_GT(bytes(2), bytes(1));
}

}  // namespace
}  // namespace ganglion::runtime
