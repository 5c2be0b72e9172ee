// One broken rule at a time, in a module that was right.
#include "hlo/verifier.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "hlo/builder.h"

namespace ganglion::hlo {
namespace {

class Verifier : public testing::Test {
 protected:
  void SetUp() override {
    Builder b("m");
    const Value count = b.input("count", Shape::array(DType::kS32, {}));
    const Value other = b.input("other_count", Shape::array(DType::kS32, {}));
    const Value x = b.bounded_input("x", Shape::array(DType::kF32, {4, 2}), count);
    const Value y = b.bounded_input("y", Shape::array(DType::kF32, {4, 2}), count);
    const Value cache = b.state("cache", Shape::array(DType::kF32, {3}));
    const Value weight = b.weight("weight", Shape::array(DType::kF32, {3}), {});
    const auto place = b.place("[opt] layer 0");
    const Value sum = x + y;
    Computation* twice = b.computation("twice", {weight.shape()}, [](const auto& p) { return p[0] + p[0]; });
    const Value called = call(twice, {weight});
    module = b.finish({sum, cache + called, other}, {{1, cache}});
    this->sum = sum.instruction();
    this->called = called.instruction();
  }
  Instruction* parameter(std::size_t n) { return module->entry->parameters()[n]; }
  std::string problem() {
    try {
      verify(*module);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kInvalidArgument);
      return error.what();
    }
    return "";
  }

  std::unique_ptr<Module> module;
  Instruction* sum = nullptr;
  Instruction* called = nullptr;
};

TEST_F(Verifier, AcceptsWhatTheBuilderMade) { EXPECT_EQ(problem(), ""); }

TEST_F(Verifier, WantsAnEntryOfItsOwn) {
  module->entry = nullptr;
  EXPECT_EQ(problem(), "[hlo] module m: the entry must be its last computation");
  Computation stranger;
  module->entry = &stranger;
  EXPECT_EQ(problem(), "[hlo] module m: the entry must be its last computation");
}

TEST_F(Verifier, WantsNamesOnce) {
  sum->name = called->name;
  EXPECT_EQ(problem(), "[opt] layer 0: %" + called->name + ": the name " + called->name + " is used twice");
  sum->name = "";
  EXPECT_EQ(problem(), "[hlo] computation main: a add has no name");
}

TEST_F(Verifier, WantsComputationsNamesOnce) {
  module->computations[0]->name = "main";
  EXPECT_EQ(problem(), "[hlo] module m: two computations are called main");
  module->computations[0]->name = "";
  EXPECT_EQ(problem(), "[hlo] module m: a computation has no name");
}

TEST_F(Verifier, WantsOperandsBeforeTheirUsers) {
  auto& instructions = module->entry->instructions;
  std::swap(instructions.front(), instructions.back());
  EXPECT_NE(problem().find("does not stand before it in computation main"), std::string::npos) << problem();
}

TEST_F(Verifier, WantsOperandsOfTheSameComputation) {
  sum->operands[0] = module->computations[0]->root;
  EXPECT_EQ(problem(),
            "[opt] layer 0: %" + sum->name + ": add uses a value that does not stand before it in computation main");
  sum->operands[0] = nullptr;
  EXPECT_EQ(problem(),
            "[opt] layer 0: %" + sum->name + ": add uses a value that does not stand before it in computation main");
}

TEST_F(Verifier, WantsCalleesBeforeCallers) {
  called->called[0] = module->entry;  // recursion, too
  EXPECT_EQ(problem(), "[opt] layer 0: %" + called->name +
                           ": call calls a computation that does not stand before main in the module");
  called->called[0] = nullptr;
  EXPECT_EQ(problem(), "[opt] layer 0: %" + called->name +
                           ": call calls a computation that does not stand before main in the module");
}

TEST_F(Verifier, WantsCallsAtMost64Deep) {
  Builder b("deep");
  const Shape shape = Shape::array(DType::kF32, {});
  Computation* callee = b.computation("f", {shape}, [](const auto& p) { return p[0]; });
  const auto wrap = [&] { callee = b.computation("f", {shape}, [&](const auto& p) { return call(callee, {p[0]}); }); };
  for (int k = 0; k < 63; ++k) wrap();
  const Value x = b.input("x", shape);
  module = b.finish({call(callee, {x})});
  EXPECT_EQ(problem(), "");
  Computation* deepest = module->computations[0].get();
  auto extra = std::make_unique<Computation>();
  extra->name = "extra";
  auto p = std::make_unique<Instruction>();
  p->name = "extra_parameter";
  p->shape = shape;
  extra->root = p.get();
  extra->instructions.push_back(std::move(p));
  auto inner_call = std::make_unique<Instruction>();
  inner_call->name = "extra_call";
  inner_call->opcode = Opcode::kCall;
  inner_call->shape = shape;
  inner_call->operands = {deepest->root};
  inner_call->called = {extra.get()};
  deepest->root = inner_call.get();
  deepest->instructions.push_back(std::move(inner_call));
  module->computations.insert(module->computations.begin(), std::move(extra));
  EXPECT_EQ(problem(), "[hlo] computation main: calls are nested 65 deep; at most 64");
}

TEST_F(Verifier, WantsARootInItsComputation) {
  module->computations[0]->root = sum;
  EXPECT_EQ(problem(), "[hlo] computation twice.1: its root is not one of its instructions");
}

TEST_F(Verifier, WantsTheInferredShape) {
  sum->shape.dims[1] = 3;
  EXPECT_EQ(problem(), "[opt] layer 0: %" + sum->name +
                           ": add of f32[<=4,2] and f32[<=4,2] gives f32[<=4,2], but its shape says f32[<=4,3]");
}

TEST_F(Verifier, WantsTheTupleOfTheOperands) {
  module->entry->root->shape.elements.pop_back();
  EXPECT_NE(problem().find("is not the tuple of its operands"), std::string::npos) << problem();
}

TEST_F(Verifier, WantsKnownOpcodesAndTypes) {
  sum->opcode = static_cast<Opcode>(200);
  EXPECT_EQ(problem(), "[opt] layer 0: %" + sum->name + ": unknown opcode 200");
  sum->opcode = Opcode::kAdd;
  sum->shape.dtype = static_cast<DType>(77);
  EXPECT_EQ(problem(), "[opt] layer 0: %" + sum->name + ": unknown element type");
}

TEST_F(Verifier, WantsParametersNumberedDensely) {
  parameter(5)->parameter_number = 4;
  EXPECT_NE(problem().find("computation main numbers its parameters with a gap or twice: wanted 5, seen 4"),
            std::string::npos)
      << problem();
}

TEST_F(Verifier, WantsRolesOnlyInTheEntry) {
  module->computations[0]->instructions[0]->role = ParameterRole::kWeight;
  EXPECT_NE(problem().find("only parameters of the entry can be weights or state"), std::string::npos);
  module->computations[0]->instructions[0]->role = ParameterRole::kInput;
  parameter(0)->sharded = true;
  EXPECT_EQ(problem(), "[hlo] %count: an input cannot be sharded");
}

TEST_F(Verifier, WantsLiteralsOfTheirShape) {
  auto constant = std::make_unique<Instruction>();
  constant->name = "k";
  constant->opcode = Opcode::kConstant;
  constant->shape = Shape::array(DType::kF32, {2});
  Instruction* added = constant.get();
  module->entry->instructions.insert(module->entry->instructions.begin(), std::move(constant));
  EXPECT_EQ(problem(), "[hlo] %k: constant: it has no literal");
  added->literal = std::make_shared<const Tensor>(DType::kF32, Dims{3});
  EXPECT_EQ(problem(), "[hlo] %k: constant gives f32[3], but its shape says f32[2]");
  added->shape.dims[0] = 3;
  EXPECT_EQ(problem(), "");
}

TEST_F(Verifier, WantsCompositesOnCallsOnly) {
  sum->composite.name = "ganglion.gelu";
  EXPECT_EQ(problem(), "[opt] layer 0: %" + sum->name + ": only a call can be the composite ganglion.gelu");
}

TEST_F(Verifier, WantsComputationsOnlyWhereTheyAreCalled) {
  sum->called = called->called;
  EXPECT_EQ(problem(), "[opt] layer 0: %" + sum->name + ": add calls no computation");
}

TEST_F(Verifier, WantsAliasesOfStateWithEqualShapesOnce) {
  module->aliases = {{1, 5}};
  EXPECT_EQ(problem(), "[hlo] %weight: a weight cannot be written, result 1 is its alias");
  module->aliases = {{0, 4}};
  EXPECT_EQ(problem(), "[hlo] %cache: result 0 of f32[<=4,2] cannot be written in place of f32[3]");
  module->aliases = {{3, 4}};
  EXPECT_EQ(problem(), "[hlo] alias of result 3: the module has 3 results");
  module->aliases = {{1, -1}};
  EXPECT_EQ(problem(), "[hlo] alias to parameter -1: the entry has 6 parameters");
  module->aliases = {{1, 4}, {1, 4}};
  EXPECT_EQ(problem(), "[hlo] alias of result 1 to parameter 4: one of them is aliased twice");
}

TEST_F(Verifier, WantsEveryBoundedInputBoundToOneSize) {
  module->row_bindings.pop_back();
  EXPECT_EQ(problem(), "[hlo] %y: f32[<=4,2] has bounded rows, but no input says how many there are");
  module->row_bindings.push_back({3, 5});
  EXPECT_EQ(problem(), "[hlo] %weight: a row count is an s32[] input, this is f32[3]");
  module->row_bindings.back() = {2, 0};
  EXPECT_EQ(problem(), "[hlo] %x: its rows are bound twice");
  module->row_bindings.back() = {5, 0};
  EXPECT_EQ(problem(), "[hlo] %weight: f32[3] has no bounded rows to bind");
  module->row_bindings.back() = {9, 0};
  EXPECT_EQ(problem(), "[hlo] row binding of parameter 9 to 0: the entry has 6 parameters");
}

TEST_F(Verifier, WantsOneCapacityForASize) {
  parameter(3)->shape.dims[0] = 5;
  sum->operands[1] = sum->operands[0];
  EXPECT_EQ(problem(), "[hlo] %y: at most 5 rows, but others counted by parameter 0 have at most 4");
}

TEST_F(Verifier, WantsRowsOfTwoSizesApart) {
  module->row_bindings.back().size = 1;
  EXPECT_EQ(problem(),
            "[hlo] %y: its rows, counted by parameter 1 (other_count), meet rows counted by parameter 0 (count); "
            "values that meet "
            "must be bound to one size");
}

}  // namespace
}  // namespace ganglion::hlo
