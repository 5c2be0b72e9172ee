#include "hlo/builder.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "hlo/composite.h"
#include "hlo/rows.h"

namespace ganglion::hlo {
namespace {

const Shape kCount = Shape::array(DType::kS32, {});

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Builder, AnErrorBeginsWithTheModelsLineOfThought) {
  Builder b("test");
  const Value x = b.input("x", Shape::array(DType::kF16, {5, 768}));
  const Value w = b.input("w", Shape::array(DType::kF16, {512, 768}));
  const auto opt = b.place("[opt]");
  const auto layer = b.place("layer 3");
  const std::string error = error_of([&] { dot(x, w, {{0}, {0}, {}, {}}); });
  EXPECT_TRUE(error.starts_with("[opt] layer 3: dot of f16[5,768] and f16[512,768]")) << error;
  EXPECT_NE(error.find("5 and 512"), std::string::npos) << error;
}

TEST(Builder, EqualCompositesShareOneBody) {
  Builder b("test");
  const Value x = b.input("x", Shape::array(DType::kF32, {4, 8}));
  const Value w = b.weight("w", Shape::array(DType::kF32, {8}), {});
  const Value y = layer_norm(layer_norm(x, w, w, 1e-5f), w, w, 1e-5f);
  const Value z = layer_norm(y, w, w, 1e-6f);
  EXPECT_EQ(y.instruction()->called[0], y.instruction()->operands[0]->called[0]);
  EXPECT_NE(z.instruction()->called[0], y.instruction()->called[0]);
  EXPECT_EQ(z.instruction()->composite.attributes.at("epsilon"), "1e-06");
}

TEST(Builder, RowsGoThroughAWholeBoundedStep) {
  Builder b("test");
  const Value count = b.input("token_count", kCount);
  const Value wanted = b.input("logit_count", kCount);
  const Value ids = b.bounded_input("ids", Shape::array(DType::kS32, {64}), count);
  const Value slots = b.bounded_input("slots", Shape::array(DType::kS32, {64}), count);
  const Value rows = b.bounded_input("rows", Shape::array(DType::kS32, {4}), wanted);
  const Value tables = b.input("tables", Shape::array(DType::kS32, {2, 3}));
  const Value table = b.weight("table", Shape::array(DType::kF16, {100, 32}), {});
  const Value k_cache = b.state("k", Shape::array(DType::kF16, {6, 2, 16, 16}));
  const Value v_cache = b.state("v", Shape::array(DType::kF16, {6, 2, 16, 16}));
  const Value x = embedding(table, ids);
  const Value k = kv_write(k_cache, x, slots, CacheKind::kKey);
  const Value v = kv_write(v_cache, x, slots, CacheKind::kValue);
  const Value a = paged_attention(x, k, v, tables, ids, slots, {.heads = 2, .kv_heads = 2, .scale = 0.25f});
  const Value last = gather(a, reshape(rows, {4, 1}), {{1}, {0}, {0}, 1, {1, 32}});
  const Value logits = linear(last, table);
  EXPECT_EQ(logits.shape().text(), "f32[<=4,100]");
  const auto module = b.finish({logits, k, v}, {{1, k_cache}, {2, v_cache}});
  const auto sizes = row_sizes(*module);
  EXPECT_EQ(sizes.at(a.instruction()), 0);
  EXPECT_EQ(sizes.at(logits.instruction()), 1);
}

TEST(Builder, RowsOfTwoCountsMayNotMeet) {
  Builder b("test");
  const Value one = b.input("one", kCount);
  const Value two = b.input("two", kCount);
  const Value x = b.bounded_input("x", Shape::array(DType::kF32, {8}), one);
  const Value y = b.bounded_input("y", Shape::array(DType::kF32, {8}), two);
  const Value sum = x + y;
  const std::string error = error_of([&] { b.finish({sum}); });
  EXPECT_NE(error.find("rows counted by parameter"), std::string::npos) << error;
}

}  // namespace
}  // namespace ganglion::hlo
