// The shape of Llama's step: what it declares, how it is split. Its numbers are checked in tests/exactness.
#include "models/llama.h"

#include <gtest/gtest.h>

#include "models/step_check.h"

namespace ganglion::models {
namespace {

std::string small(const std::string& more = "") {
  return R"({"model_type": "llama", "vocab_size": 101, "hidden_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 8, "num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": 64)" +
         more + "}";
}

TEST(Llama, BuildsEveryPublishedShape) {
  for (const auto& [name, config] : published_llama_shapes()) {
    const Step step = build_for_test(config, 1);
    EXPECT_EQ(step.module->result_shapes().front().dims, (Dims{2, config.vocab})) << name;
  }
}

TEST(Llama, RepeatsCachedHeadsThatAreFewerThanRanksForNeighbours) {
  const Step step = build_for_test(parse_config(small(), "test"), 4, counting_weights());
  const WeightBinding& key = find_weight(step, "model.layers.0.self_attn.k_proj.weight");  // [8, 32], heads of 4
  ASSERT_EQ(key.per_rank.size(), 4u);
  const double first_of_rank[] = {0, 0, 4 * 32, 4 * 32};
  for (std::size_t rank = 0; rank < 4; ++rank) {
    const Tensor share = read_all(*key.per_rank[rank]);
    EXPECT_EQ(share.dims(), (Dims{4, 32}));
    EXPECT_EQ(element_as_double(share.view(), 0), first_of_rank[rank]) << rank;
  }
  for (const hlo::Instruction* parameter : step.module->entry->parameters()) {
    if (parameter->role != hlo::ParameterRole::kState || parameter->name.find("v_cache") == std::string::npos) continue;
    EXPECT_EQ(parameter->shape.dims, (Dims{8, 1, 16, 4})) << "one head a rank";
  }
}

TEST(Llama, AllowsDegreesThatShareOutOrRepeatItsCachedHeads) {
  const Config config = parse_config(small(), "test");
  for (const int tp : {1, 2, 4, 8}) EXPECT_NO_THROW(check_tp(config, tp)) << tp;
  Config odd = config;
  odd.heads = 12;
  odd.kv_heads = 6;
  try {
    check_tp(odd, 4);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("6 cached heads"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("use 1, 2, 3, 6, 12"), std::string::npos) << error.what();
  }
}

TEST(Llama, HasBiasesOnlyWhereTheConfigSays) {
  const Step plain = build_for_test(parse_config(small(), "test"), 1);
  EXPECT_FALSE(has_weight(plain, "model.layers.0.self_attn.o_proj.bias"));
  EXPECT_FALSE(has_weight(plain, "model.layers.0.mlp.down_proj.bias"));
  const Step step = build_for_test(parse_config(small(R"(, "attention_bias": true, "mlp_bias": true)"), "test"), 1);
  for (const char* name : {"self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj"}) {
    EXPECT_TRUE(has_weight(step, std::string("model.layers.1.") + name + ".bias")) << name;
  }
}

TEST(Llama, ReadsOneOrManyEndTokens) {
  EXPECT_EQ(parse_config(small(), "test").eos_ids(), (std::vector<std::int32_t>{2}));
  EXPECT_EQ(parse_config(small(R"(, "eos_token_id": [7, 9])"), "test").eos_ids(), (std::vector<std::int32_t>{7, 9}));
  EXPECT_NE(refusal_of(small(R"(, "eos_token_id": [7, 101])")).find("eos_token_id"), std::string::npos);
  EXPECT_NE(refusal_of(small(R"(, "eos_token_id": [7, -1])")).find("eos_token_id"), std::string::npos);
}

TEST(Llama, OnlyItsDynamicScalingAsksForLengths) {
  EXPECT_FALSE(build_for_test(parse_config(small(), "test"), 1).wants_lengths);
  const Step step =
      build_for_test(parse_config(small(R"(, "rope_scaling": {"type": "dynamic", "factor": 2.0})"), "test"), 1);
  EXPECT_TRUE(step.wants_lengths);
  EXPECT_EQ(step.module->entry->parameters()[8]->name, "length");
  EXPECT_EQ(find_weight(step, "rotary.frequencies").per_rank[0]->dims(), (Dims{128 - 64 + 1, 2}));
}

}  // namespace
}  // namespace ganglion::models
