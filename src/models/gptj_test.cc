// The shape of GPT-J's step: what it declares, how it is split. Its numbers are checked in tests/exactness.
#include "models/gptj.h"

#include <gtest/gtest.h>

#include "models/step_check.h"

namespace ganglion::models {
namespace {

std::string small(const std::string& more = "") {
  return R"({"model_type": "gptj", "vocab_size": 101, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64,
    "eos_token_id": 100, "bos_token_id": 100)" +
         more + "}";
}

TEST(GptJ, BuildsEveryPublishedShape) {
  for (const auto& [name, config] : published_gptj_shapes()) {
    const Step step = build_for_test(config, 1);
    EXPECT_EQ(step.module->result_shapes().front().dims, (Dims{2, config.vocab})) << name;
  }
}

TEST(GptJ, PadsTheHeadsBiasWithTheVocabulary) {
  const Step step = build_for_test(parse_config(small(), "test"), 4, counting_weights());
  const WeightBinding& bias = find_weight(step, "lm_head.bias");
  const Tensor last = read_all(*bias.per_rank[3]);
  ASSERT_EQ(last.dims(), (Dims{26}));
  EXPECT_EQ(element_as_double(last.view(), 22), 100);
  EXPECT_EQ(element_as_double(last.view(), 23), 0);  // 3 * 26 + 23 is behind the last token
}

TEST(GptJ, TurnsTheWholeHeadWhenRotaryDimIsNull) {
  EXPECT_EQ(parse_config(small(R"(, "rotary_dim": null)"), "test").rotary->dim, 8);
  EXPECT_EQ(parse_config(small(R"(, "rotary_dim": 4)"), "test").rotary->dim, 4);
  EXPECT_NE(refusal_of(small(R"(, "rotary_dim": 5)")).find("rotary_dim=5"), std::string::npos);
  EXPECT_NE(refusal_of(small(R"(, "rotary_dim": 10)")).find("rotary_dim=10"), std::string::npos);
}

TEST(GptJ, HasNoBiasInAttention) {
  const Step step = build_for_test(parse_config(small(), "test"), 1);
  EXPECT_FALSE(has_weight(step, "transformer.h.0.attn.q_proj.bias"));
  EXPECT_TRUE(has_weight(step, "transformer.h.0.mlp.fc_in.bias"));
  EXPECT_FALSE(has_weight(step, "transformer.h.0.ln_2.weight"));
}

}  // namespace
}  // namespace ganglion::models
