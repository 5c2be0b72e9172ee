#include "hlo/rows.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "hlo/builder.h"

namespace ganglion::hlo {
namespace {

struct TwoCounts {
  Builder b{"m"};
  Value tokens = b.input("tokens", Shape::array(DType::kS32, {}));
  Value wanted = b.input("wanted", Shape::array(DType::kS32, {}));
  Value x = b.bounded_input("x", Shape::array(DType::kF32, {4, 2}), tokens);
  Value rows = b.bounded_input("rows", Shape::array(DType::kS32, {4}), wanted);
};

TEST(Rows, GatherGoesFromOneSizeToAnother) {
  TwoCounts m;
  const Value doubled = m.x + m.x;
  const Value picked = gather(doubled, m.rows, {{1}, {0}, {0}, 1, {1, 2}});
  const auto module = m.b.finish({picked});
  const auto sizes = row_sizes(*module);
  EXPECT_EQ(sizes.at(doubled.instruction()), 0);
  EXPECT_EQ(sizes.at(picked.instruction()), 1);
  EXPECT_FALSE(sizes.contains(m.tokens.instruction()));
}

TEST(Rows, ABroadcastTakesTheSizeOfWhatItMeets) {
  TwoCounts m;
  const Value ones = broadcast(m.b.scalar(DType::kF32, 1), Shape::array(DType::kF32, {4, 2}, true), {});
  const auto module = m.b.finish({m.x + ones, m.rows});
  EXPECT_EQ(row_sizes(*module).at(ones.instruction()), 0);
}

TEST(Rows, AnIotaThatMeetsNothingIsRefused) {
  TwoCounts m;
  const Value lonely = m.b.iota(Shape::array(DType::kS32, {4}, true), 0);
  EXPECT_THROW(
      {
        try {
          m.b.finish({lonely});
        } catch (const Error& error) {
          EXPECT_NE(std::string(error.what()).find("s32[<=4] has bounded rows, but no parameter says how many"),
                    std::string::npos)
              << error.what();
          throw;
        }
      },
      Error);
}

TEST(Rows, TwoSizesMeetInsideACallToo) {
  TwoCounts m;
  const Shape vector = Shape::array(DType::kS32, {4}, true);
  const Value flat = convert(reduce(m.x, Opcode::kAdd, {1}), DType::kS32);
  Computation* add = m.b.computation("add", {vector, vector}, [](const auto& p) { return p[0] + p[1]; });
  const Value sum = call(add, {flat, m.rows});
  EXPECT_THROW(m.b.finish({sum}), Error);
}

TEST(Rows, TwoSizesMeetInsideACallWhoseResultHasNeither) {
  TwoCounts m;
  const Value exact = m.b.input("exact", Shape::array(DType::kS32, {3}));
  const Shape vector = Shape::array(DType::kS32, {4}, true);
  const Value flat = convert(reduce(m.x, Opcode::kAdd, {1}), DType::kS32);
  Computation* pick = m.b.computation("pick", {vector, vector, exact.shape()}, [](const auto& p) {
    return gather(p[0] + p[1], p[2], {{}, {0}, {0}, 1, {1}});
  });
  const Value picked = call(pick, {flat, m.rows, exact});
  EXPECT_THROW(m.b.finish({picked}), Error);
}

TEST(Rows, WhatIsMadeFromABroadcastHasItsSizeWhereverItGoes) {
  TwoCounts m;
  const Value ones = broadcast(m.b.scalar(DType::kF32, 1), Shape::array(DType::kF32, {4, 2}, true), {});
  const Value twos = ones + ones;  // met by nothing, but ones are
  const auto module = m.b.finish({twos, m.x + ones, m.rows});
  EXPECT_EQ(row_sizes(*module).at(twos.instruction()), 0);
}

TEST(Rows, SizesPassThroughCallsLoopsAndTuples) {
  TwoCounts m;
  const Shape carried = Shape::tuple({m.rows.shape(), m.x.shape()});
  Computation* never = m.b.computation("never", {carried}, [](const auto& p) {
    return compare(p[0].builder()->scalar(DType::kS32, 0), p[0].builder()->scalar(DType::kS32, 1), Comparison::kGt);
  });
  Computation* body = m.b.computation("body", {carried}, [](const auto& p) {
    return tuple({get_tuple_element(p[0], 0), get_tuple_element(p[0], 1) * 2.0});
  });
  const Value loop = while_loop(tuple({m.rows, m.x}), never, body);
  const Value left = get_tuple_element(loop, 0);
  const Value right = get_tuple_element(loop, 1);
  const auto module = m.b.finish({left, right});
  const auto sizes = row_sizes(*module);
  EXPECT_EQ(sizes.at(left.instruction()), 1);
  EXPECT_EQ(sizes.at(right.instruction()), 0);
}

}  // namespace
}  // namespace ganglion::hlo
