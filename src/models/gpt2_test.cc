// The shape of GPT-2's and GPT-BigCode's step: what it declares, how it is split. Its numbers are checked in
// tests/exactness.
#include "models/gpt2.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "models/step_check.h"

namespace ganglion::models {
namespace {

constexpr const char* kSmall = R"({"model_type": "gpt2", "vocab_size": 101, "n_embd": 32, "n_layer": 2, "n_head": 4,
  "n_positions": 64, "eos_token_id": 100, "bos_token_id": 100})";

TEST(Gpt2, BuildsEveryPublishedShape) {
  for (const auto& shapes : {published_gpt2_shapes(), published_gpt_bigcode_shapes()}) {
    for (const auto& [name, config] : shapes) {
      const Step step = build_for_test(config, 1);
      EXPECT_EQ(step.module->result_shapes().front().dims, (Dims{2, config.vocab})) << name;
    }
  }
}

TEST(Gpt2, TakesQueriesKeysAndValuesOutOfOneTransposedTensor) {
  const Config config = parse_config(kSmall, "test");
  // Element (in i, out o) of the stored [32, 96] is 96 i + o.
  const WeightFinder counting = counting_weights();
  const Step step = build_for_test(config, 2, counting);
  for (const auto& [part, offset] : {std::pair{"q", 0}, std::pair{"k", 32}, std::pair{"v", 64}}) {
    const WeightBinding& weight = find_weight(step, std::string("transformer.h.0.attn.c_attn.weight.") + part);
    for (int rank = 0; rank < 2; ++rank) {
      const Tensor share = read_all(*weight.per_rank[static_cast<std::size_t>(rank)]);
      ASSERT_EQ(share.dims(), (Dims{16, 32}));
      for (std::int64_t o = 0; o < 16; ++o) {
        for (std::int64_t i = 0; i < 32; ++i) {
          ASSERT_EQ(element_as_double(share.view(), o * 32 + i), static_cast<double>(96 * i + offset + 16 * rank + o));
        }
      }
    }
    const WeightBinding& bias = find_weight(step, std::string("transformer.h.0.attn.c_attn.bias.") + part);
    EXPECT_EQ(element_as_double(read_all(*bias.per_rank[1]).view(), 0), offset + 16);
  }
}

TEST(Gpt2, SplitsWhatIsStoredTransposedByItsInputsBehindTheMlp) {
  const Step step = build_for_test(parse_config(kSmall, "test"), 4, counting_weights());
  const WeightBinding& down = find_weight(step, "transformer.h.1.mlp.c_proj.weight");  // stored [128, 32]
  const Tensor share = read_all(*down.per_rank[3]);
  ASSERT_EQ(share.dims(), (Dims{32, 32}));
  EXPECT_EQ(element_as_double(share.view(), 5 * 32 + 2), (96 + 2) * 32 + 5);
}

TEST(Gpt2, ReadsTheFieldsThatChangeItsMathematics) {
  const Config config = parse_config(
      R"({"model_type": "gpt2", "vocab_size": 101, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64,
          "n_inner": 48, "layer_norm_epsilon": 0.001, "scale_attn_weights": false, "activation_function": "gelu",
          "scale_attn_by_inverse_layer_idx": true, "tie_word_embeddings": false, "eos_token_id": null})",
      "test");
  EXPECT_EQ(config.ffn, 48);
  EXPECT_FLOAT_EQ(config.norm_epsilon, 0.001f);
  EXPECT_EQ(config.activation, ActivationFunction::kGeluErf);
  EXPECT_FALSE(config.tied_head);
  EXPECT_EQ(config.eos, -1);  // 50256 is not in this vocabulary
  const auto& own = std::any_cast<const Gpt2Config&>(config.own);
  EXPECT_FALSE(own.scale_attention);
  EXPECT_TRUE(own.scale_by_inverse_layer);
}

TEST(GptBigCode, KeepsOneCachedHeadOnEveryRankAndComputesItOnce) {
  std::string json = kSmall;
  json.replace(json.find("gpt2"), 4, "gpt_bigcode");
  const Config config = parse_config(json, "test");
  EXPECT_EQ(config.kv_heads, 1);
  const Step step = build_for_test(config, 4, counting_weights());
  const WeightBinding& key = find_weight(step, "transformer.h.0.attn.c_attn.weight.k");  // rows 32 to 39 of [48, 32]
  ASSERT_EQ(key.per_rank.size(), 1u);
  EXPECT_EQ(element_as_double(read_all(*key.per_rank[0]).view(), 0), 32 * 32);
  EXPECT_EQ(find_weight(step, "transformer.h.0.attn.c_attn.weight.q").per_rank.size(), 4u);
}

TEST(GptBigCode, TakesHeadAfterHeadWithoutMultiQuery) {
  std::string json = kSmall;
  json.replace(json.find("gpt2"), 4, "gpt_bigcode");
  json.insert(json.size() - 1, R"(, "multi_query": false)");
  const Step step = build_for_test(parse_config(json, "test"), 2, counting_weights());
  const WeightBinding& key = find_weight(step, "transformer.h.0.attn.c_attn.weight.k");  // of [96, 32]
  const Tensor second = read_all(*key.per_rank[1]);                                      // heads 2 and 3
  ASSERT_EQ(second.dims(), (Dims{16, 32}));
  EXPECT_EQ(element_as_double(second.view(), 0), (2 * 24 + 8) * 32);
  EXPECT_EQ(element_as_double(second.view(), 8 * 32), (3 * 24 + 8) * 32);
}

}  // namespace
}  // namespace ganglion::models
