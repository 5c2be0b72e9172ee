// The shape of OPT's step: what it declares, how it is split. Its numbers are checked in tests/exactness.
#include "models/opt.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.h"

namespace ganglion::models {
namespace {

Config small() {
  Config config = published_shape("opt-125m");
  config.vocab = 101;
  config.hidden = 32;
  config.own = OptConfig{.embed_dim = 32};
  config.layers = 3;
  config.heads = config.kv_heads = 4;
  config.head_dim = 8;
  config.ffn = 64;
  config.max_positions = 64;
  return config;
}

Step build(const Config& config, int tp = 1, bool bounded = true) {
  StepOptions options;
  options.tp = tp;
  options.size = {.tokens = 4,
                  .sequences = 2,
                  .logit_rows = 2,
                  .blocks = 8,
                  .block_size = 16,
                  .max_blocks = 4,
                  .bounded = bounded,
                  .query_length = 0};
  return build_opt_step(config, options, random_weights(1));
}

std::int64_t count(const Step& step, hlo::Opcode opcode) {
  const auto& instructions = step.module->entry->instructions;
  return std::count_if(instructions.begin(), instructions.end(),
                       [&](const auto& instruction) { return instruction->opcode == opcode; });
}

std::set<std::string> weight_names(const Step& step) {
  std::set<std::string> names;
  for (const WeightBinding& weight : step.weights) names.insert(weight.name);
  return names;
}

TEST(Opt, BuildsEveryPublishedShape) {
  for (const auto& [name, config] : published_opt_shapes()) {
    const Step step = build(config);
    EXPECT_EQ(step.module->result_shapes().front().dims, (Dims{2, config.vocab})) << name;
    EXPECT_EQ(step.module->aliases.size(), static_cast<std::size_t>(2 * config.layers)) << name;
  }
}

TEST(Opt, HasNoCollectivesOnOneRank) {
  const Step step = build(small());
  EXPECT_EQ(count(step, hlo::Opcode::kAllReduce), 0);
  EXPECT_EQ(count(step, hlo::Opcode::kAllGather), 0);
}

TEST(Opt, HasTwoAllReducesALayerOneForTheEmbeddingAndOneAllGatherOnSeveralRanks) {
  const Step step = build(small(), 2);
  EXPECT_EQ(count(step, hlo::Opcode::kAllReduce), 2 * 3 + 1);
  EXPECT_EQ(count(step, hlo::Opcode::kAllGather), 1);
}

TEST(Opt, GivesEachRankItsShareOfEveryMatrix) {
  const Step whole = build(small());
  const Step split = build(small(), 4);
  for (std::size_t i = 0; i < whole.weights.size(); ++i) {
    const WeightBinding& weight = split.weights[i];
    ASSERT_EQ(weight.name, whole.weights[i].name);
    const Dims& dims = whole.weights[i].per_rank[0]->dims();
    const bool positions = weight.name.find("embed_positions") != std::string::npos;
    if (dims.size() != 2 || positions) continue;
    ASSERT_EQ(weight.per_rank.size(), 4u) << weight.name;
    std::int64_t elements = 0;
    for (const auto& source : weight.per_rank) elements += element_count(source->dims());
    const std::int64_t padding = dims[0] == 101 ? 3 * 32 : 0;  // the vocabulary, to a multiple of 4
    EXPECT_EQ(elements, element_count(dims) + padding) << weight.name;
  }
}

TEST(Opt, AddsTheBiasOfARowSplitLayerOnRankZeroOnly) {
  const Step step = build(small(), 2);
  for (const WeightBinding& weight : step.weights) {
    if (!weight.name.ends_with("fc2.bias") && !weight.name.ends_with("out_proj.bias")) continue;
    const Tensor first = read_all(*weight.per_rank[0]);
    const Tensor second = read_all(*weight.per_rank[1]);
    EXPECT_TRUE(std::ranges::any_of(first.as<float>(), [](float x) { return x != 0; })) << weight.name;
    EXPECT_TRUE(std::ranges::all_of(second.as<float>(), [](float x) { return x == 0; })) << weight.name;
  }
}

TEST(Opt, UsesOneWeightForATiedTableAndHead) {
  Config config = small();
  EXPECT_FALSE(weight_names(build(config)).contains("lm_head.weight"));
  config.tied_head = false;
  EXPECT_TRUE(weight_names(build(config)).contains("lm_head.weight"));
}

TEST(Opt, LeavesOutWhatTheConfigLeavesOut) {
  Config config = small();
  config.own = OptConfig{.embed_dim = 32, .final_norm = false, .bias = false};
  const auto names = weight_names(build(config));
  EXPECT_FALSE(names.contains("model.decoder.layers.0.fc1.bias"));
  EXPECT_FALSE(names.contains("model.decoder.final_layer_norm.weight"));
  EXPECT_TRUE(names.contains("model.decoder.layers.0.final_layer_norm.bias"));
}

TEST(Opt, ProjectsEmbeddingsOfAnotherWidth) {
  Config config = small();
  config.own = OptConfig{.embed_dim = 16};
  const auto names = weight_names(build(config));
  EXPECT_TRUE(names.contains("model.decoder.project_in.weight"));
  EXPECT_TRUE(names.contains("model.decoder.project_out.weight"));
  EXPECT_FALSE(names.contains("model.decoder.project_in.bias"));
}

TEST(Opt, ExactStepHasNoCounts) {
  const Step bounded = build(small());
  const Step exact = build(small(), 1, false);
  EXPECT_EQ(bounded.module->entry->parameters()[0]->name, "token_count");
  EXPECT_EQ(exact.module->entry->parameters()[0]->name, "token_ids");
  EXPECT_TRUE(exact.module->row_bindings.empty());
}

TEST(Opt, RefusesTypesThatAreNotToBeHad) {
  StepOptions options;
  options.types.activation = DType::kF16;
  EXPECT_THROW(build_opt_step(small(), options, random_weights(1)), Error);
  options.types = {.storage = DType::kS32, .activation = DType::kF32, .kv = DType::kF32};
  EXPECT_THROW(build_opt_step(small(), options, random_weights(1)), Error);
}

}  // namespace
}  // namespace ganglion::models
