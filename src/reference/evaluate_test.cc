// What the evaluator adds to the meaning of single operations, which tests/differential proves against jaxlib: rows
// that are only known in a run, ranks, limits, refusals.
#include "reference/evaluate.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "hlo/builder.h"

namespace ganglion::reference {
namespace {

using hlo::Builder;
using hlo::Comparison;
using hlo::Opcode;
using hlo::Shape;
using hlo::Value;

const Shape kNumber = Shape::array(DType::kS32, {});

Tensor number(std::int32_t value) { return Tensor::from<std::int32_t>(DType::kS32, {}, {&value, 1}); }

Tensor floats(Dims dims, const std::vector<float>& values) {
  return Tensor::from<float>(DType::kF32, std::move(dims), values);
}

std::vector<float> values_of(const Tensor& tensor) { return {tensor.as<float>().begin(), tensor.as<float>().end()}; }

// The error's code, and that its text holds `part`.
template <typename Run>
Code code_of(const Run& run, const std::string& part) {
  try {
    run();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Code::kInternal;
}

// y = x + 1 for bounded rows, with the ones made before anything bounded is met.
struct BoundedModule {
  BoundedModule() {
    Builder b("bounded");
    const Value rows = b.input("rows", kNumber);
    const Value ones = hlo::broadcast(b.scalar(DType::kF32, 1), Shape::array(DType::kF32, {8, 2}, true), {});
    const Value x = b.bounded_input("x", Shape::array(DType::kF32, {8, 2}, true), rows);
    module = b.finish({x + ones, hlo::reduce(x, Opcode::kAdd, {1})});
  }
  std::unique_ptr<hlo::Module> module;
};

TEST(Evaluate, GivesAsManyRowsAsTheArgumentHas) {
  const BoundedModule bounded;
  const Tensor rows = number(3), x = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  const auto results = evaluate(*bounded.module, std::vector{rows.view(), x.view()});
  EXPECT_EQ(results[0].dims(), (Dims{3, 2}));
  EXPECT_EQ(values_of(results[0]), (std::vector<float>{2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(values_of(results[1]), (std::vector<float>{3, 7, 11}));
}

TEST(Evaluate, TakesNoRowsAtAllAndAsManyAsTheBound) {
  const BoundedModule bounded;
  for (const std::int32_t count : {0, 8}) {
    const Tensor rows = number(count),
                 x = floats({count, 2}, std::vector<float>(static_cast<std::size_t>(2 * count), 1.0f));
    const auto results = evaluate(*bounded.module, std::vector{rows.view(), x.view()});
    EXPECT_EQ(results[0].dims(), (Dims{count, 2}));
  }
}

TEST(Evaluate, RefusesRowsThatAreNotWhatTheSizeSaysOrAboveTheBound) {
  const BoundedModule bounded;
  const Tensor three = number(3), nine = number(9);
  const Tensor two_rows = floats({2, 2}, {1, 2, 3, 4}), nine_rows = floats({9, 2}, std::vector<float>(18));
  EXPECT_EQ(code_of(
                [&] {
                  evaluate(*bounded.module, std::vector{three.view(), two_rows.view()});
                },
                "2 rows"),
            Code::kInvalidArgument);
  EXPECT_EQ(code_of(
                [&] {
                  evaluate(*bounded.module, std::vector{nine.view(), nine_rows.view()});
                },
                "f32[<=8,2]"),
            Code::kInvalidArgument);
}

TEST(Evaluate, KeepsRowsOfTwoSizesApartInOneCallee) {
  Builder b("two_sizes");
  const Shape shape = Shape::array(DType::kF32, {8}, true);
  const Value few = b.input("few", kNumber), many = b.input("many", kNumber);
  const Value x = b.bounded_input("x", shape, few), y = b.bounded_input("y", shape, many);
  hlo::Computation* next = b.computation("next", {shape}, [](const std::vector<Value>& p) { return p[0] + 1.0; });
  const auto module = b.finish({hlo::call(next, {x}), hlo::call(next, {y})});
  const Tensor two = number(2), three = number(3), a = floats({2}, {1, 2}), c = floats({3}, {1, 2, 3});
  const auto results = evaluate(*module, std::vector{two.view(), three.view(), a.view(), c.view()});
  EXPECT_EQ(values_of(results[0]), (std::vector<float>{2, 3}));
  EXPECT_EQ(values_of(results[1]), (std::vector<float>{2, 3, 4}));
}

TEST(Evaluate, RefusesArgumentsThatDoNotFit) {
  Builder b("one");
  const auto module = b.finish({b.input("x", Shape::array(DType::kF32, {2})) + 1.0});
  const Tensor three = floats({3}, {1, 2, 3}), integer = number(1);
  EXPECT_EQ(code_of([&] { evaluate(*module, std::vector{three.view()}); }, "given f32[3], wanted f32[2]"),
            Code::kInvalidArgument);
  EXPECT_EQ(code_of([&] { evaluate(*module, std::vector{integer.view()}); }, "given s32[]"), Code::kInvalidArgument);
  EXPECT_EQ(code_of([&] { evaluate(*module, {}); }, "0 arguments for 1 parameters"), Code::kInvalidArgument);
}

// A while that counts up to its argument; with `talks`, the counter is summed over ranks in every turn.
std::unique_ptr<hlo::Module> counting_module(bool talks) {
  Builder b("counting");
  const Value end = b.input("end", kNumber);
  const Shape state = Shape::tuple({kNumber, kNumber});
  hlo::Computation* sum = b.binary_computation(Opcode::kAdd, DType::kS32);
  hlo::Computation* condition = b.computation("condition", {state}, [](const std::vector<Value>& p) {
    return hlo::compare(hlo::get_tuple_element(p[0], 0), hlo::get_tuple_element(p[0], 1), Comparison::kLt);
  });
  hlo::Computation* body = b.computation("body", {state}, [&](const std::vector<Value>& p) {
    const Value next = hlo::get_tuple_element(p[0], 0) + 1.0;
    return hlo::tuple({talks ? hlo::all_reduce(next, sum) : next, hlo::get_tuple_element(p[0], 1)});
  });
  const Value loop = hlo::while_loop(hlo::tuple({b.scalar(DType::kS32, 0), end}), condition, body);
  return b.finish({hlo::get_tuple_element(loop, 0)});
}

TEST(Evaluate, StopsALoopAtTheIterationLimit) {
  const Tensor end = number(1000);
  const auto module = counting_module(false);
  const std::vector<TensorView> arguments = {end.view()};
  EXPECT_EQ(evaluate(*module, arguments, {.iteration_limit = 1000})[0].as<std::int32_t>()[0], 1000);
  EXPECT_EQ(code_of([&] { evaluate(*module, arguments, {.iteration_limit = 999}); }, "999 iterations"),
            Code::kDeadlineExceeded);
}

TEST(EvaluateRanks, LetsEachRankLoopAsOftenAsItWantsWhenNoneTalks) {
  const Tensor two = number(2), five = number(5);
  const std::vector<std::vector<TensorView>> arguments = {{two.view()}, {five.view()}};
  const auto results = evaluate_ranks(*counting_module(false), arguments);
  EXPECT_EQ(results[0][0].as<std::int32_t>()[0], 2);
  EXPECT_EQ(results[1][0].as<std::int32_t>()[0], 5);
}

TEST(EvaluateRanks, CombinesInsideALoopAndRefusesRanksThatPart) {
  const Tensor two = number(2), five = number(5);
  const auto module = counting_module(true);
  const std::vector<std::vector<TensorView>> together = {{five.view()}, {five.view()}};
  EXPECT_EQ(evaluate_ranks(*module, together)[0][0].as<std::int32_t>()[0], 6);  // 0, 2, 6
  const std::vector<std::vector<TensorView>> apart = {{two.view()}, {five.view()}};
  EXPECT_EQ(code_of([&] { evaluate_ranks(*module, apart); }, "rank 1 goes on and rank 0 stops"),
            Code::kInvalidArgument);
}

TEST(EvaluateRanks, RefusesGroupsThatNameARankThatDoesNotRun) {
  Builder b("groups");
  const Value x = b.input("x", Shape::array(DType::kF32, {1}));
  const auto module = b.finish({hlo::all_reduce(x, b.binary_computation(Opcode::kAdd, DType::kF32), {{0, 1}})});
  const Tensor one = floats({1}, {1});
  EXPECT_EQ(code_of([&] { evaluate(*module, std::vector{one.view()}); }, "rank 1"), Code::kInvalidArgument);
}

TEST(EvaluateRanks, SumsInRankOrder) {
  Builder b("order");
  const Value x = b.input("x", Shape::array(DType::kF32, {1}));
  const auto module = b.finish({hlo::all_reduce(x, b.binary_computation(Opcode::kAdd, DType::kF32))});
  const Tensor huge = floats({1}, {1e8f}), negative = floats({1}, {-1e8f}), one = floats({1}, {1});
  const auto sum = [&](const Tensor& first, const Tensor& second, const Tensor& third) {
    const std::vector<std::vector<TensorView>> arguments = {{first.view()}, {second.view()}, {third.view()}};
    return values_of(evaluate_ranks(*module, arguments)[2][0])[0];
  };
  EXPECT_EQ(sum(huge, negative, one), 1.0f);
  EXPECT_EQ(sum(huge, one, negative), 0.0f);  // 1e8 + 1 is 1e8 in f32
}

TEST(Evaluate, RefusesACustomCallByItsTarget) {
  Builder b("custom");
  const Value x = b.input("x", Shape::array(DType::kF32, {1}));
  const auto module = b.finish({hlo::custom_call("somebody.kernel", {x}, x.shape())});
  const Tensor one = floats({1}, {1});
  EXPECT_EQ(code_of([&] { evaluate(*module, std::vector{one.view()}); }, "somebody.kernel"), Code::kUnsupported);
}

TEST(Evaluate, RunsAReductionWhoseComputationLoops) {
  Builder b("loop_in_reduce");
  const Value x = b.input("x", Shape::array(DType::kS32, {3}));
  const Shape state = Shape::tuple({kNumber, kNumber});
  // (a, b) -> a + b by counting, b times.
  hlo::Computation* condition = b.computation("condition", {state}, [&](const std::vector<Value>& p) {
    return hlo::compare(hlo::get_tuple_element(p[0], 1), b.scalar(DType::kS32, 0), Comparison::kGt);
  });
  hlo::Computation* body = b.computation("body", {state}, [](const std::vector<Value>& p) {
    return hlo::tuple({hlo::get_tuple_element(p[0], 0) + 1.0, hlo::get_tuple_element(p[0], 1) - 1.0});
  });
  hlo::Computation* sum = b.computation("sum", {kNumber, kNumber}, [&](const std::vector<Value>& p) {
    return hlo::get_tuple_element(hlo::while_loop(hlo::tuple({p[0], p[1]}), condition, body), 0);
  });
  const auto module = b.finish({hlo::reduce(x, b.scalar(DType::kS32, 10), {0}, sum)});
  const Tensor argument = Tensor::from<std::int32_t>(DType::kS32, {3}, std::vector<std::int32_t>{1, 2, 3});
  EXPECT_EQ(evaluate(*module, std::vector{argument.view()})[0].as<std::int32_t>()[0], 16);
}

}  // namespace
}  // namespace ganglion::reference
