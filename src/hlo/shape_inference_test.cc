// Every opcode once with what it accepts and once or more with what it refuses; errors name the place.
#include "hlo/shape_inference.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "hlo/builder.h"

namespace ganglion::hlo {
namespace {

// Without the number that the builder appends to a computation's name.
template <typename Function>
std::string message_of(Function&& function) {
  try {
    function();
  } catch (const Error& error) {
    std::string text = error.what();
    const std::string word = "computation ";
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
      const std::size_t dot = text.find('.', at);
      if (dot != std::string::npos) text.erase(dot, text.find_first_not_of("0123456789", dot + 1) - dot);
    }
    return text;
  }
  return "no error";
}

class ShapeInference : public testing::Test {
 protected:
  Value f32(Dims dims) { return array(DType::kF32, std::move(dims)); }
  Value array(DType dtype, Dims dims) {
    return b.input("p" + std::to_string(next++), Shape::array(dtype, std::move(dims)));
  }
  Value rows(DType dtype, Dims dims) {
    return b.bounded_input("p" + std::to_string(next++), Shape::array(dtype, std::move(dims)), count);
  }
  Computation* adder(DType dtype = DType::kF32) { return b.binary_computation(Opcode::kAdd, dtype); }

  Builder b{"test"};
  Value count = b.input("count", Shape::array(DType::kS32, {}));
  int next = 0;
};

#define EXPECT_REFUSED(expression, text) EXPECT_EQ(message_of([&] { expression; }), text)

TEST_F(ShapeInference, AnErrorBeginsWithTheModelsLineOfThought) {
  const auto model = b.place("[opt]");
  const auto layer = b.place("layer 3");
  const Value x = array(DType::kF16, {5, 768});
  const Value w = array(DType::kF16, {512, 512});
  EXPECT_REFUSED(dot(x, w, {{1}, {1}, {}, {}}),
                 "[opt] layer 3: dot of f16[5,768] and f16[512,512]: contracted sizes 768 and 512 differ");
}

TEST_F(ShapeInference, ElementwiseWantsEqualDimsTypesAndRows) {
  EXPECT_EQ((f32({2, 3}) + f32({2, 3})).shape().text(), "f32[2,3]");
  EXPECT_EQ((rows(DType::kF32, {4, 3}) + rows(DType::kF32, {4, 3})).shape().text(), "f32[<=4,3]");
  EXPECT_REFUSED(f32({2, 3}) + f32({3}), "[hlo]: add of f32[2,3] and f32[3]: dims differ; broadcast on purpose");
  EXPECT_REFUSED(f32({2}) + array(DType::kF16, {2}), "[hlo]: add of f32[2] and f16[2]: types f32 and f16 differ");
  EXPECT_REFUSED(
      rows(DType::kF32, {4}) + f32({4}),
      "[hlo]: add of f32[<=4] and f32[4]: one has bounded rows, the other exactly 4; both must have the same rows");
  const Value flags = array(DType::kPred, {2});
  EXPECT_REFUSED(flags + flags, "[hlo]: add of pred[2] and pred[2]: wants numbers, got pred");
  EXPECT_EQ(binary(Opcode::kAnd, flags, flags).dtype(), DType::kPred);
  EXPECT_REFUSED(binary(Opcode::kXor, f32({}), f32({})),
                 "[hlo]: xor of f32[] and f32[]: wants pred or an integer type, got f32");
  EXPECT_REFUSED(binary(Opcode::kShiftLeft, flags, flags),
                 "[hlo]: shift-left of pred[2] and pred[2]: wants an integer type, got pred");
}

TEST_F(ShapeInference, UnaryOperationsWantATypeThatHasThem) {
  const Value n = array(DType::kS32, {2});
  EXPECT_EQ(negate(n).dtype(), DType::kS32);
  EXPECT_EQ(unary(Opcode::kNot, n).dtype(), DType::kS32);
  EXPECT_REFUSED(tanh(n), "[hlo]: tanh of s32[2]: wants a float type, got s32");
  EXPECT_REFUSED(unary(Opcode::kAbs, array(DType::kU8, {2})),
                 "[hlo]: abs of u8[2]: wants a float or signed type, got u8");
  EXPECT_REFUSED(unary(Opcode::kNot, f32({2})), "[hlo]: not of f32[2]: wants pred or an integer type, got f32");
  EXPECT_REFUSED(negate(array(DType::kPred, {2})), "[hlo]: negate of pred[2]: wants numbers, got pred");
}

TEST_F(ShapeInference, CompareSelectAndClamp) {
  const Value x = f32({2, 3});
  EXPECT_EQ(compare(x, x, Comparison::kLt).shape().text(), "pred[2,3]");
  EXPECT_EQ(select(compare(x, x, Comparison::kLt), x, x).shape().text(), "f32[2,3]");
  EXPECT_REFUSED(select(x, x, x), "[hlo]: select of f32[2,3], f32[2,3] and f32[2,3]: the condition is f32, wants pred");
  EXPECT_REFUSED(select(array(DType::kPred, {3}), x, x),
                 "[hlo]: select of pred[3], f32[2,3] and f32[2,3]: dims differ; broadcast on purpose");
  EXPECT_EQ(clamp(f32({}), x, x).shape().text(), "f32[2,3]");
  EXPECT_REFUSED(clamp(f32({3}), x, x),
                 "[hlo]: clamp of f32[3], f32[2,3] and f32[2,3]: dims differ; broadcast on purpose");
}

TEST_F(ShapeInference, ConvertKeepsDimsAndBitcastKeepsBits) {
  EXPECT_EQ(convert(rows(DType::kF32, {4, 2}), DType::kBF16).shape().text(), "bf16[<=4,2]");
  EXPECT_EQ(bitcast_convert(f32({2}), DType::kU32).shape().text(), "u32[2]");
  EXPECT_REFUSED(bitcast_convert(f32({2}), DType::kF16),
                 "[hlo]: bitcast-convert of f32[2]: to f16: element sizes differ");
}

TEST_F(ShapeInference, IotaCountsAlongOneOfItsDimensions) {
  EXPECT_EQ(b.iota(Shape::array(DType::kS32, {2, 3}), 1).shape().text(), "s32[2,3]");
  EXPECT_REFUSED(b.iota(Shape::array(DType::kS32, {2, 3}), 2),
                 "[hlo]: iota: iota_dimension names dimension 2 of rank 2");
  EXPECT_REFUSED(b.iota(Shape::array(DType::kPred, {2}), 0), "[hlo]: iota: wants numbers, got pred");
}

TEST_F(ShapeInference, BroadcastPlacesDimensions) {
  EXPECT_EQ(broadcast(f32({3}), Shape::array(DType::kF32, {2, 3}), {1}).shape().text(), "f32[2,3]");
  EXPECT_EQ(broadcast(f32({3}), Shape::array(DType::kF32, {4, 3}, true), {1}).shape().text(), "f32[<=4,3]");
  EXPECT_REFUSED(broadcast(f32({3}), Shape::array(DType::kF32, {2, 3}), {0}),
                 "[hlo]: broadcast of f32[3]: to f32[2,3]: dimension 0 of size 3 cannot become dimension 0 of size 2");
  EXPECT_REFUSED(broadcast(f32({3}), Shape::array(DType::kF32, {2, 3}), {}),
                 "[hlo]: broadcast of f32[3]: to f32[2,3]: 0 dimensions are given for rank 1");
  EXPECT_REFUSED(broadcast(f32({3, 3}), Shape::array(DType::kF32, {3, 3}), {1, 1}),
                 "[hlo]: broadcast of f32[3,3]: dimensions names dimension 1 twice");
  EXPECT_REFUSED(broadcast(f32({3, 3}), Shape::array(DType::kF32, {3, 3}), {1, 0}),
                 "[hlo]: broadcast of f32[3,3]: to f32[3,3]: dimensions must increase; transpose first");
  EXPECT_REFUSED(
      broadcast(rows(DType::kF32, {4}), Shape::array(DType::kF32, {2, 4}), {1}),
      "[hlo]: broadcast of f32[<=4]: to f32[2,4]: bounded rows must stay the first dimension and stay bounded");
  EXPECT_REFUSED(broadcast(f32({4}), Shape::array(DType::kF32, {4, 2}, true), {0}),
                 "[hlo]: broadcast of f32[4]: to f32[<=4,2]: exactly 4 rows cannot become bounded rows");
}

TEST_F(ShapeInference, ReshapeKeepsElementsAndBoundedRows) {
  EXPECT_EQ(reshape(f32({2, 6}), {3, 4}).shape().text(), "f32[3,4]");
  EXPECT_EQ(reshape(rows(DType::kF32, {4, 6}), {4, 2, 3}).shape().text(), "f32[<=4,2,3]");
  EXPECT_REFUSED(reshape(f32({2, 6}), {5}), "[hlo]: reshape of f32[2,6]: to f32[5]: 12 elements cannot become 5");
  EXPECT_REFUSED(reshape(rows(DType::kF32, {4, 6}), {8, 3}),
                 "[hlo]: reshape of f32[<=4,6]: to f32[8,3]: rows must stay bounded, or stay exact");
  EXPECT_REFUSED(reshape(f32({2, 6}), {-2, -6}), "[hlo]: reshape of f32[2,6]: f32[-2,-6]: a size is negative");
}

TEST_F(ShapeInference, TransposeAndReverseLeaveBoundedRowsInPlace) {
  EXPECT_EQ(transpose(f32({2, 3, 4}), {2, 0, 1}).shape().text(), "f32[4,2,3]");
  EXPECT_EQ(transpose(rows(DType::kF32, {2, 3, 4}), {0, 2, 1}).shape().text(), "f32[<=2,4,3]");
  EXPECT_REFUSED(transpose(f32({2, 3}), {0}), "[hlo]: transpose of f32[2,3]: the permutation has 1 entries for rank 2");
  EXPECT_REFUSED(transpose(rows(DType::kF32, {2, 3}), {1, 0}),
                 "[hlo]: transpose of f32[<=2,3]: bounded rows must stay the first dimension");
  EXPECT_EQ(reverse(f32({2, 3}), {0, 1}).shape().text(), "f32[2,3]");
  EXPECT_REFUSED(reverse(f32({2, 3}), {2}), "[hlo]: reverse of f32[2,3]: dimensions names dimension 2 of rank 2");
  EXPECT_REFUSED(reverse(rows(DType::kF32, {2, 3}), {0}),
                 "[hlo]: reverse of f32[<=2,3]: bounded rows cannot be reversed");
}

TEST_F(ShapeInference, ConcatenateWantsEqualOtherSizes) {
  EXPECT_EQ(concatenate({f32({2, 3}), f32({2, 5})}, 1).shape().text(), "f32[2,8]");
  EXPECT_REFUSED(concatenate({f32({2, 3}), f32({4, 5})}, 1),
                 "[hlo]: concatenate of f32[2,3] and f32[4,5]: sizes 2 and 4 of dimension 0 differ");
  EXPECT_REFUSED(concatenate({rows(DType::kF32, {2}), rows(DType::kF32, {2})}, 0),
                 "[hlo]: concatenate of f32[<=2] and f32[<=2]: bounded rows cannot be joined along the rows");
}

TEST_F(ShapeInference, SlicesStayInside) {
  EXPECT_EQ(slice(f32({4, 6}), {1, 0}, {4, 6}, {2, 1}).shape().text(), "f32[2,6]");
  EXPECT_REFUSED(slice(f32({4}), {1}, {5}), "[hlo]: slice of f32[4]: dimension 0: [1:5:1] of size 4");
  EXPECT_REFUSED(slice(rows(DType::kF32, {4}), {0}, {2}),
                 "[hlo]: slice of f32[<=4]: bounded rows must be taken whole, not [0:2:1]");
  EXPECT_EQ(slice(rows(DType::kF32, {4, 6}), {0, 2}, {4, 3}).shape().text(), "f32[<=4,1]");
}

TEST_F(ShapeInference, DynamicSlicesWantAScalarStartForEveryDimension) {
  const Value x = f32({4, 6});
  EXPECT_EQ(dynamic_slice(x, {count, count}, {1, 6}).shape().text(), "f32[1,6]");
  EXPECT_REFUSED(dynamic_slice(x, {count}, {1, 6}),
                 "[hlo]: dynamic-slice of f32[4,6] and s32[]: it has 2 operands, wants 3");
  EXPECT_REFUSED(dynamic_slice(x, {count, count}, {1, 7}),
                 "[hlo]: dynamic-slice of f32[4,6], s32[] and s32[]: slice size 7 of dimension 1 of size 6");
  EXPECT_REFUSED(dynamic_slice(x, {count, x}, {1, 6}),
                 "[hlo]: dynamic-slice of f32[4,6], s32[] and f32[4,6]: start 1 is f32[4,6], wants an integer scalar");
  EXPECT_EQ(dynamic_update_slice(x, f32({1, 6}), {count, count}).shape().text(), "f32[4,6]");
  EXPECT_REFUSED(
      dynamic_update_slice(x, f32({5, 6}), {count, count}),
      "[hlo]: dynamic-update-slice of f32[4,6], f32[5,6], s32[] and s32[]: update size 5 of dimension 0 of size 4");
  EXPECT_REFUSED(dynamic_update_slice(x, rows(DType::kF32, {4, 6}), {count, count}),
                 "[hlo]: dynamic-update-slice of f32[4,6], f32[<=4,6], s32[] and s32[]: bounded rows are updated "
                 "whole, by bounded "
                 "rows of the same bound, or not at all");
}

TEST_F(ShapeInference, PadAddsLowHighAndInterior) {
  EXPECT_EQ(pad(f32({3}), f32({}), {{1, -2, 2}}).shape().text(), "f32[6]");
  EXPECT_REFUSED(pad(f32({3}), f32({}), {{-4, 0, 0}}),
                 "[hlo]: pad of f32[3] and f32[]: dimension 0: negative padding leaves size -1");
  EXPECT_REFUSED(pad(f32({3}), f32({1}), {{0, 0, 0}}),
                 "[hlo]: pad of f32[3] and f32[1]: the padding value must be a scalar f32");
  EXPECT_REFUSED(pad(rows(DType::kF32, {3}), f32({}), {{0, 1, 0}}),
                 "[hlo]: pad of f32[<=3] and f32[]: bounded rows cannot be padded");
}

TEST_F(ShapeInference, DotPutsBatchThenLeftThenRight) {
  EXPECT_EQ(dot(f32({2, 5, 3}), f32({2, 3, 7}), {{2}, {1}, {0}, {0}}).shape().text(), "f32[2,5,7]");
  EXPECT_EQ(
      dot(array(DType::kBF16, {5, 3}), array(DType::kBF16, {7, 3}), {{1}, {1}, {}, {}}, DType::kF32).shape().text(),
      "f32[5,7]");
  EXPECT_EQ(dot(array(DType::kS8, {5, 3}), array(DType::kS8, {7, 3}), {{1}, {1}, {}, {}}, DType::kS32).shape().text(),
            "s32[5,7]");
  EXPECT_REFUSED(dot(f32({2}), f32({2}), {{0}, {0}, {}, {}}, DType::kF16),
                 "[hlo]: dot of f32[2] and f32[2]: sums of f32 cannot be f16");
  EXPECT_REFUSED(dot(f32({2, 3}), f32({3, 2}), {{1}, {0}, {1}, {1}}),
                 "[hlo]: dot of f32[2,3] and f32[3,2]: the left operand's dot dimensions names dimension 1 twice");
  EXPECT_REFUSED(dot(f32({2, 3}), f32({4, 3}), {{1}, {1}, {0}, {0}}),
                 "[hlo]: dot of f32[2,3] and f32[4,3]: batch sizes 2 and 4 differ");
}

TEST_F(ShapeInference, DotKeepsBoundedRowsOfTheLeftOrOfTheFirstBatch) {
  EXPECT_EQ(dot(rows(DType::kF32, {4, 3}), f32({7, 3}), {{1}, {1}, {}, {}}).shape().text(), "f32[<=4,7]");
  EXPECT_EQ(dot(rows(DType::kF32, {4, 3}), rows(DType::kF32, {4, 5, 3}), {{1}, {2}, {0}, {0}}).shape().text(),
            "f32[<=4,5]");
  EXPECT_REFUSED(dot(rows(DType::kF32, {4}), rows(DType::kF32, {4}), {{0}, {0}, {}, {}}),
                 "[hlo]: dot of f32[<=4] and f32[<=4]: bounded rows of the left operand cannot be contracted");
  EXPECT_REFUSED(dot(f32({7, 3}), rows(DType::kF32, {4, 3}), {{1}, {1}, {}, {}}),
                 "[hlo]: dot of f32[7,3] and f32[<=4,3]: bounded rows of the right operand cannot become columns");
  EXPECT_REFUSED(
      dot(rows(DType::kF32, {4, 2, 3}), f32({2, 3}), {{2}, {1}, {1}, {0}}),
      "[hlo]: dot of f32[<=4,2,3] and f32[2,3]: bounded rows of the left operand cannot stand behind batch dimensions");
}

TEST_F(ShapeInference, ReduceWantsAScalarComputationOfItsType) {
  EXPECT_EQ(reduce(f32({2, 3, 4}), Opcode::kAdd, {1}).shape().text(), "f32[2,4]");
  EXPECT_EQ(reduce(rows(DType::kF32, {2, 3}), Opcode::kMaximum, {1}).shape().text(), "f32[<=2]");
  EXPECT_REFUSED(reduce(rows(DType::kF32, {2, 3}), Opcode::kAdd, {0}),
                 "[hlo]: reduce of f32[<=2,3] and f32[]: bounded rows cannot be reduced");
  EXPECT_REFUSED(reduce(f32({2}), f32({}), {0}, adder(DType::kF16)),
                 "[hlo]: reduce of f32[2] and f32[]: parameter 0 of computation add_f16 is f16[], wants f32[]");
  EXPECT_REFUSED(reduce(f32({2}), f32({2}), {0}, adder()),
                 "[hlo]: reduce of f32[2] and f32[2]: the initial value must be a scalar f32");
}

TEST_F(ShapeInference, GatherTakesTheRowsOfItsIndices) {
  const GatherDims of_rows = {{1}, {0}, {0}, 1, {1, 6}};
  const Value table = f32({10, 6});
  EXPECT_EQ(gather(table, array(DType::kS32, {3}), of_rows).shape().text(), "f32[3,6]");
  EXPECT_EQ(gather(table, rows(DType::kS32, {3}), of_rows).shape().text(), "f32[<=3,6]");
  EXPECT_EQ(gather(rows(DType::kF32, {10, 6}), array(DType::kS32, {3}), of_rows).shape().text(), "f32[3,6]");
  EXPECT_REFUSED(gather(table, f32({3}), of_rows),
                 "[hlo]: gather of f32[10,6] and f32[3]: indices are f32, want an integer type");
  EXPECT_REFUSED(gather(table, array(DType::kS32, {3}), {{1}, {0}, {0}, 1, {2, 6}}),
                 "[hlo]: gather of f32[10,6] and s32[3]: dimension 0 is collapsed, its slice size 2 must be 1");
  EXPECT_REFUSED(gather(table, array(DType::kS32, {3}), {{1}, {0}, {0, 1}, 1, {1, 6}}),
                 "[hlo]: gather of f32[10,6] and s32[3]: start_index_map has 2 entries for index vectors of size 1");
  EXPECT_REFUSED(
      gather(table, rows(DType::kS32, {3}), {{0}, {0}, {0}, 1, {1, 6}}),
      "[hlo]: gather of f32[10,6] and s32[<=3]: bounded rows of the indices must be the result's first dimension");
  EXPECT_REFUSED(gather(rows(DType::kF32, {10, 6}), array(DType::kS32, {3}), {{1}, {1}, {1}, 1, {10, 1}}),
                 "[hlo]: gather of f32[<=10,6] and s32[3]: bounded rows can only be gathered one at a time");
}

TEST_F(ShapeInference, ScatterWantsUpdatesOfItsIndices) {
  const ScatterDims to_rows = {{1}, {0}, {0}, 1, false};
  const Value table = f32({10, 6});
  EXPECT_EQ(scatter(table, array(DType::kS32, {3}), f32({3, 6}), to_rows, adder()).shape().text(), "f32[10,6]");
  EXPECT_EQ(scatter(table, rows(DType::kS32, {3}), rows(DType::kF32, {3, 6}), to_rows, adder()).shape().text(),
            "f32[10,6]");
  EXPECT_REFUSED(scatter(table, array(DType::kS32, {3}), f32({4, 6}), to_rows, adder()),
                 "[hlo]: scatter of f32[10,6], s32[3] and f32[4,6]: updates' dimension 0 has size 4, the indices' 3");
  EXPECT_REFUSED(scatter(table, array(DType::kS32, {3}), f32({3, 7}), to_rows, adder()),
                 "[hlo]: scatter of f32[10,6], s32[3] and f32[3,7]: window size 7 of dimension 1 of size 6");
  EXPECT_REFUSED(scatter(table, rows(DType::kS32, {3}), f32({3, 6}), to_rows, adder()),
                 "[hlo]: scatter of f32[10,6], s32[<=3] and f32[3,6]: indices and updates must both have bounded rows, "
                 "or neither");
  EXPECT_REFUSED(scatter(rows(DType::kF32, {10, 6}), array(DType::kS32, {3}), f32({3, 6}), to_rows, adder()),
                 "[hlo]: scatter of f32[<=10,6], s32[3] and f32[3,6]: bounded rows cannot be scattered into");
}

TEST_F(ShapeInference, SortWantsAComparatorOfItsOperands) {
  const Shape scalar = Shape::array(DType::kF32, {});
  Computation* less =
      b.computation("less", {scalar, scalar}, [](const auto& p) { return compare(p[0], p[1], Comparison::kLt); });
  EXPECT_EQ(sort({f32({2, 3})}, 1, false, less)[0].shape().text(), "f32[2,3]");
  EXPECT_REFUSED(sort({f32({2, 3}), f32({2, 3})}, 1, false, less),
                 "[hlo]: sort of f32[2,3] and f32[2,3]: computation less has 2 parameters, wants 4");
  EXPECT_REFUSED(sort({f32({2, 3})}, 1, false, adder()),
                 "[hlo]: sort of f32[2,3]: computation add_f32 returns f32[], wants pred[]");
  EXPECT_REFUSED(sort({rows(DType::kF32, {2})}, 0, false, less),
                 "[hlo]: sort of f32[<=2]: bounded rows cannot be sorted along the rows");
}

TEST_F(ShapeInference, CallsWantTheCalleesParameters) {
  const Shape scalar = Shape::array(DType::kF32, {});
  EXPECT_EQ(call(adder(), {f32({}), f32({})}).shape().text(), "f32[]");
  EXPECT_REFUSED(call(adder(), {f32({})}),
                 "[hlo]: call of f32[]: computation add_f32 has 2 parameters, 1 operands are given");
  EXPECT_REFUSED(call(adder(), {f32({}), f32({2})}),
                 "[hlo]: call of f32[] and f32[2]: parameter 1 of computation add_f32 is f32[], operand f32[2]");
  Computation* yes = b.computation("yes", {scalar}, [](const auto& p) { return compare(p[0], p[0], Comparison::kEq); });
  Computation* same = b.computation("same", {scalar}, [](const auto& p) { return p[0]; });
  EXPECT_EQ(while_loop(f32({}), yes, same).shape().text(), "f32[]");
  EXPECT_REFUSED(while_loop(f32({}), same, same),
                 "[hlo]: while of f32[]: computation same returns f32[], wants pred[]");
  EXPECT_REFUSED(while_loop(f32({}), yes, yes), "[hlo]: while of f32[]: computation yes returns pred[], wants f32[]");
}

TEST_F(ShapeInference, TuplesAreTakenApart) {
  const Value pair = tuple({f32({2}), count});
  EXPECT_EQ(pair.shape().text(), "(f32[2], s32[])");
  EXPECT_EQ(get_tuple_element(pair, 1).shape().text(), "s32[]");
  EXPECT_REFUSED(get_tuple_element(pair, 2), "[hlo]: get-tuple-element of (f32[2], s32[]): element 2 of a tuple of 2");
  EXPECT_REFUSED(get_tuple_element(count, 0), "[hlo]: get-tuple-element of s32[]: wants a tuple");
  EXPECT_REFUSED(negate(pair), "[hlo]: negate of (f32[2], s32[]): operand 0 is a tuple, wants an array");
  EXPECT_REFUSED(tuple({tuple({tuple({tuple({pair})})})}),
                 "[hlo]: tuple of ((((f32[2], s32[])))): tuples are nested more than 4 deep");
}

TEST_F(ShapeInference, CustomCallsSayTheirShape) {
  EXPECT_EQ(custom_call("kernel", {f32({2})}, Shape::array(DType::kU8, {5})).shape().text(), "u8[5]");
  EXPECT_REFUSED(custom_call("", {f32({2})}, Shape::array(DType::kU8, {5})),
                 "[hlo]: custom-call of f32[2]: it names no target");
  EXPECT_REFUSED(custom_call("kernel", {f32({5})}, Shape::array(DType::kU8, {5}, true)),
                 "[hlo]: custom-call of f32[5]: to u8[<=5]: bounded rows want an operand with the same bound");
}

TEST_F(ShapeInference, CollectivesWantGroupsThatNameEveryRankOnce) {
  EXPECT_EQ(all_reduce(f32({2}), adder(), {{0, 2}, {1, 3}}).shape().text(), "f32[2]");
  EXPECT_REFUSED(all_reduce(f32({2}), adder(), {{0, 1}, {1, 2}}),
                 "[hlo]: all-reduce of f32[2]: replica groups must name every rank from 0 to 3 once; rank 2 is "
                 "missing, repeated or beyond");
  EXPECT_REFUSED(all_reduce(f32({2}), adder(), {{0, 1}, {2}}),
                 "[hlo]: all-reduce of f32[2]: replica groups of 2 and 1 ranks; all want the same number");
  EXPECT_EQ(all_gather(f32({2, 3}), 1, 4).shape().text(), "f32[2,12]");
  EXPECT_REFUSED(
      all_gather(f32({2, 3}), 1, 4, {{0, 1}}),
      "[hlo]: all-gather of f32[2,3]: to f32[2,12]: wants f32[2,3] with dimension 1 times the ranks of a group");
  EXPECT_REFUSED(all_gather(rows(DType::kF32, {2, 3}), 0, 4),
                 "[hlo]: all-gather of f32[<=2,3]: bounded rows cannot be joined along the rows");
  EXPECT_EQ(b.replica_id().shape().text(), "u32[]");
}

TEST_F(ShapeInference, ShapesOfNoOneAreRefused) {
  EXPECT_REFUSED(f32({1 << 20, 1 << 20, 2}), "[hlo] %p0: parameter: f32[1048576,1048576,2]: more than 2^40 elements");
  EXPECT_REFUSED(f32(Dims(17, 1)), "[hlo] %p1: parameter: rank 17; at most 16");
}

TEST_F(ShapeInference, OneArrayAtATimeIsSaidToBeUnsupported) {
  Instruction reduce_two;
  reduce_two.opcode = Opcode::kReduce;
  const Value x = f32({2});
  reduce_two.operands = {x.instruction(), x.instruction(), x.instruction(), x.instruction()};
  try {
    infer_shape(reduce_two);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnsupported);
  }
}

}  // namespace
}  // namespace ganglion::hlo
