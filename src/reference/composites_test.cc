// The bodies of the composites against what composite.h says in words.
#include <gtest/gtest.h>

#include <cmath>

#include "hlo/builder.h"
#include "hlo/composite.h"
#include "reference/evaluate.h"

namespace ganglion::reference {
namespace {

using hlo::Builder;
using hlo::Shape;
using hlo::Value;

Tensor wave(Dims dims, float scale) {
  Tensor out(DType::kF32, std::move(dims));
  auto values = out.as<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = scale * std::sin(0.7f * static_cast<float>(i) + 0.3f);
  return out;
}

Tensor s32(Dims dims, std::vector<std::int32_t> values) {
  return Tensor::from<std::int32_t>(DType::kS32, std::move(dims), values);
}

// Two sequences of two queries each, 2 heads on 1 cached head, blocks of 16 positions.
struct Attention {
  static constexpr std::int64_t kTokens = 4, kHeads = 2, kHeadDim = 4, kBlock = 16, kBlocks = 5, kMaxBlocks = 2;
  Tensor q = wave({kTokens, kHeads* kHeadDim}, 1.0f);
  Tensor k = wave({kBlocks, 1, kHeadDim, kBlock}, 0.8f);
  Tensor v = wave({kBlocks, 1, kBlock, kHeadDim}, 0.9f);
  Tensor table = s32({2, kMaxBlocks}, {3, 1, 0, 4});
  Tensor sequence = s32({kTokens}, {0, 0, 1, 1});
  Tensor position = s32({kTokens}, {20, 21, 3, 4});

  std::vector<float> run(std::int64_t query_length) const {
    Builder b("attention");
    std::vector<Value> p;
    std::vector<TensorView> arguments;
    for (const Tensor* t : {&q, &k, &v, &table, &sequence, &position}) {
      p.push_back(b.input("p" + std::to_string(p.size()), Shape::array(t->dtype(), t->dims())));
      arguments.push_back(t->view());
    }
    const Value out =
        hlo::paged_attention(p[0], p[1], p[2], p[3], p[4], p[5],
                             {.heads = kHeads, .kv_heads = 1, .scale = 0.5f, .query_length = query_length});
    const auto module = b.finish({out});
    const auto results = evaluate(*module, arguments);
    const auto values = results[0].as<float>();
    return {values.begin(), values.end()};
  }
};

TEST(PagedAttention, BothBodiesGiveWhatTheDefinitionSays) {
  const Attention a;
  const auto per_token = a.run(0);
  const auto per_sequence = a.run(2);
  for (std::int64_t t = 0; t < Attention::kTokens; ++t) {
    const auto row = a.sequence.as<std::int32_t>()[t] * Attention::kMaxBlocks;
    for (std::int64_t h = 0; h < Attention::kHeads; ++h) {
      std::vector<double> score, weight;
      double total = 0;
      for (std::int64_t p = 0; p <= a.position.as<std::int32_t>()[t]; ++p) {
        const std::int64_t block = a.table.as<std::int32_t>()[row + p / Attention::kBlock], at = p % Attention::kBlock;
        double sum = 0;
        for (std::int64_t d = 0; d < Attention::kHeadDim; ++d) {
          sum += a.q.as<float>()[(t * Attention::kHeads + h) * Attention::kHeadDim + d] *
                 a.k.as<float>()[(block * Attention::kHeadDim + d) * Attention::kBlock + at];
        }
        score.push_back(std::exp(0.5 * sum));
        total += score.back();
      }
      for (std::int64_t d = 0; d < Attention::kHeadDim; ++d) {
        double want = 0;
        for (std::size_t p = 0; p < score.size(); ++p) {
          const auto position = static_cast<std::int64_t>(p);
          const std::int64_t block = a.table.as<std::int32_t>()[row + position / Attention::kBlock],
                             at = position % Attention::kBlock;
          want += score[p] / total * a.v.as<float>()[(block * Attention::kBlock + at) * Attention::kHeadDim + d];
        }
        const auto index = static_cast<std::size_t>((t * Attention::kHeads + h) * Attention::kHeadDim + d);
        EXPECT_NEAR(per_token[index], want, 1e-5);
        EXPECT_NEAR(per_sequence[index], want, 1e-5);
      }
    }
  }
}

TEST(KvWrite, StoresRowsAtTheirSlotsAndDropsNegativeOnes) {
  Builder b("write");
  const Value k = b.input("k", Shape::array(DType::kF16, {2, 1, 3, 16}));
  const Value v = b.input("v", Shape::array(DType::kF16, {2, 1, 16, 3}));
  const Value rows = b.input("rows", Shape::array(DType::kF32, {3, 3}));
  const Value slots = b.input("slots", Shape::array(DType::kS32, {3}));
  const auto module = b.finish(
      {hlo::kv_write(k, rows, slots, hlo::CacheKind::kKey), hlo::kv_write(v, rows, slots, hlo::CacheKind::kValue)});
  const Tensor zero_k(DType::kF16, {2, 1, 3, 16}), zero_v(DType::kF16, {2, 1, 16, 3});
  const Tensor values = wave({3, 3}, 1.0f);
  const Tensor at = s32({3}, {5, -1, 17});
  const std::vector<TensorView> arguments = {zero_k.view(), zero_v.view(), values.view(), at.view()};
  const auto results = evaluate(*module, arguments);
  int written = 0;
  for (std::int64_t i = 0; i < results[0].elements(); ++i)
    written += element_as_double(results[0].view(), i) != 0 ? 1 : 0;
  EXPECT_EQ(written, 6);
  for (std::int64_t d = 0; d < 3; ++d) {
    EXPECT_NEAR(element_as_double(results[0].view(), (0 * 3 + d) * 16 + 5), values.as<float>()[d], 1e-3);
    EXPECT_NEAR(element_as_double(results[0].view(), (1 * 3 + d) * 16 + 1), values.as<float>()[6 + d], 1e-3);
    EXPECT_NEAR(element_as_double(results[1].view(), (0 * 16 + 5) * 3 + d), values.as<float>()[d], 1e-3);
    EXPECT_NEAR(element_as_double(results[1].view(), (1 * 16 + 1) * 3 + d), values.as<float>()[6 + d], 1e-3);
  }
}

TEST(LayerNorm, NormalisesEachRow) {
  Builder b("norm");
  const Value x = b.input("x", Shape::array(DType::kF32, {2, 8}));
  const Value w = b.input("w", Shape::array(DType::kF32, {8}));
  const Value c = b.input("c", Shape::array(DType::kF32, {8}));
  const auto module = b.finish({hlo::layer_norm(x, w, c, 1e-5f)});
  const Tensor xs = wave({2, 8}, 3.0f), ws = wave({8}, 1.0f), cs = wave({8}, 0.5f);
  const std::vector<TensorView> arguments = {xs.view(), ws.view(), cs.view()};
  const auto results = evaluate(*module, arguments);
  for (int r = 0; r < 2; ++r) {
    double mean = 0, variance = 0;
    for (int i = 0; i < 8; ++i) mean += xs.as<float>()[r * 8 + i] / 8;
    for (int i = 0; i < 8; ++i) variance += std::pow(xs.as<float>()[r * 8 + i] - mean, 2) / 8;
    for (int i = 0; i < 8; ++i) {
      const double want =
          (xs.as<float>()[r * 8 + i] - mean) / std::sqrt(variance + 1e-5) * ws.as<float>()[i] + cs.as<float>()[i];
      EXPECT_NEAR(results[0].as<float>()[r * 8 + i], want, 1e-5);
    }
  }
}

TEST(RmsNorm, DividesEachRowByItsRootMeanSquare) {
  Builder b("norm");
  const Value x = b.input("x", Shape::array(DType::kF32, {2, 8}));
  const Value w = b.input("w", Shape::array(DType::kF32, {8}));
  const auto module = b.finish({hlo::rms_norm(x, w, 1e-5f)});
  const Tensor xs = wave({2, 8}, 3.0f), ws = wave({8}, 1.0f);
  const std::vector<TensorView> arguments = {xs.view(), ws.view()};
  const auto results = evaluate(*module, arguments);
  for (int r = 0; r < 2; ++r) {
    double square = 0;
    for (int i = 0; i < 8; ++i) square += std::pow(xs.as<float>()[r * 8 + i], 2) / 8;
    for (int i = 0; i < 8; ++i) {
      const double want = xs.as<float>()[r * 8 + i] / std::sqrt(square + 1e-5) * ws.as<float>()[i];
      EXPECT_NEAR(results[0].as<float>()[r * 8 + i], want, 1e-5);
    }
  }
}

TEST(Silu, IsXTimesItsLogistic) {
  Builder b("silu");
  const auto module = b.finish({hlo::silu(b.input("x", Shape::array(DType::kF32, {9})))});
  const Tensor xs = wave({9}, 5.0f);
  const std::vector<TensorView> arguments = {xs.view()};
  const auto results = evaluate(*module, arguments);
  for (int i = 0; i < 9; ++i) {
    const double x = xs.as<float>()[i];
    EXPECT_NEAR(results[0].as<float>()[i], x / (1 + std::exp(-x)), 1e-6);
  }
}

TEST(Rotary, TurnsPairsOfTheFirstFeaturesOfEveryHeadAndLeavesTheRest) {
  constexpr std::int64_t kRows = 3, kHeads = 2, kHeadDim = 7, kPairs = 2;
  for (const auto pairs : {hlo::RotaryPairs::kHalves, hlo::RotaryPairs::kNeighbours}) {
    Builder b("rotary");
    const Value x = b.input("x", Shape::array(DType::kF32, {kRows, kHeads * kHeadDim}));
    const Value c = b.input("c", Shape::array(DType::kF32, {kRows, kPairs}));
    const Value s = b.input("s", Shape::array(DType::kF32, {kRows, kPairs}));
    const auto module = b.finish({hlo::rotary(x, c, s, kHeadDim, pairs)});
    const Tensor xs = wave({kRows, kHeads * kHeadDim}, 1.0f), cs = wave({kRows, kPairs}, 0.9f),
                 ss = wave({kRows, kPairs}, -0.4f);
    const std::vector<TensorView> arguments = {xs.view(), cs.view(), ss.view()};
    const auto results = evaluate(*module, arguments);
    const auto in = xs.as<float>();
    const auto out = results[0].as<float>();
    for (std::int64_t head = 0; head < kRows * kHeads; ++head) {
      const std::int64_t row = head / kHeads, at = head * kHeadDim;
      for (std::int64_t p = 0; p < kPairs; ++p) {
        const bool halves = pairs == hlo::RotaryPairs::kHalves;
        const std::int64_t i = at + (halves ? p : 2 * p), j = at + (halves ? p + kPairs : 2 * p + 1);
        const double cosine = cs.as<float>()[row * kPairs + p], sine = ss.as<float>()[row * kPairs + p];
        EXPECT_NEAR(out[i], in[i] * cosine - in[j] * sine, 1e-6);
        EXPECT_NEAR(out[j], in[j] * cosine + in[i] * sine, 1e-6);
      }
      for (std::int64_t i = at + 2 * kPairs; i < at + kHeadDim; ++i) EXPECT_EQ(out[i], in[i]);
    }
  }
}

}  // namespace
}  // namespace ganglion::reference
