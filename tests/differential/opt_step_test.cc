// OPT's step on the CPU backend against the evaluator, and against itself over threads and ranks. What holds for every
// family is in family_step_test.cc.
#include <gtest/gtest.h>

#include "models/opt.h"
#include "models/registry.h"
#include "models/step.h"
#include "runtime/executable.h"
#include "tests/differential/backend_pair.h"
#include "tests/differential/step_case.h"

namespace ganglion::differential {
namespace {

models::Config tiny_opt(bool norm_before) {
  models::Config config;
  config.model_type = "opt";
  config.vocab = 50;
  config.hidden = 64;
  config.layers = 2;
  config.heads = config.kv_heads = 8;
  config.head_dim = 8;
  config.ffn = 96;
  config.max_positions = 40;
  config.own =
      models::OptConfig{.embed_dim = norm_before ? 64 : 32, .norm_before = norm_before, .final_norm = norm_before};
  config.activation = norm_before ? models::ActivationFunction::kRelu : models::ActivationFunction::kGeluErf;
  return config;
}

class OptStep : public testing::TestWithParam<bool> {};

TEST_P(OptStep, GivesTheEvaluatorsLogitsAndCaches) {
  const models::Config config = tiny_opt(GetParam());
  StepCase built = step_case(config, true, 1);
  const auto expected = run_reference(*built.step.module, built.arguments);
  const auto actual = run_cpu(std::move(built.step.module), built.arguments, {.threads = 2});
  ASSERT_EQ(actual[0].size(), expected[0].size());
  for (std::size_t i = 0; i < expected[0].size(); ++i) {
    EXPECT_LT(relative_difference(actual[0][i], expected[0][i]), 1e-5) << "output " << i;
  }
}

TEST_P(OptStep, IsBitEqualForAnyNumberOfThreads) {
  const models::Config config = tiny_opt(GetParam());
  std::vector<std::vector<Tensor>> first;
  for (const int threads : {1, 2, 3, 4}) {
    StepCase built = step_case(config, true, 1);
    auto results = run_cpu(std::move(built.step.module), built.arguments, {.threads = threads, .isa = ""});
    if (first.empty()) first = std::move(results);
    if (results.empty()) continue;
    for (std::size_t i = 0; i < first[0].size(); ++i) EXPECT_TRUE(bit_equal(results[0][i], first[0][i])) << threads;
  }
}

TEST_P(OptStep, OnAnyNumberOfRanksGivesWhatTheEvaluatorGives) {
  const models::Config config = tiny_opt(GetParam());
  for (const int ranks : {2, 4, 8}) {
    StepCase built = step_case(config, true, ranks);
    const auto expected = run_reference(*built.step.module, built.arguments);
    const auto actual = run_cpu(std::move(built.step.module), built.arguments, {.threads = 2, .ranks = ranks});
    for (int rank = 0; rank < ranks; ++rank) {
      const auto r = static_cast<std::size_t>(rank);
      for (std::size_t i = 0; i < expected[r].size(); ++i) {
        EXPECT_LT(relative_difference(actual[r][i], expected[r][i]), 1e-5) << ranks << " ranks, rank " << rank;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, OptStep, testing::Bool());

TEST(OptStepPlan, TakesAsMuchForWeightsOnManyRanksAsOnOne) {
  models::Config config = tiny_opt(true);
  config.hidden = 512;
  config.own = models::OptConfig{.embed_dim = 512};
  config.head_dim = 64;
  config.ffn = 2048;
  const auto weights = [&](int ranks) {
    StepCase built = step_case(config, true, ranks);
    return runtime::compile_for_cpu(std::move(built.step.module), {ranks, "scalar", nullptr})->footprint().weights;
  };
  EXPECT_LE(static_cast<double>(weights(8)), 1.02 * static_cast<double>(weights(1)));
}

TEST(OptStepStorage, HalfWeightsAndCachesGiveTheEvaluatorsLogits) {
  for (const DType storage : {DType::kF16, DType::kBF16}) {
    StepCase built = step_case(tiny_opt(true), true, 1, storage);
    const auto expected = run_reference(*built.step.module, built.arguments);
    const auto actual = run_cpu(std::move(built.step.module), built.arguments, {.threads = 2});
    // A cached element may round the other way: one step of the type, seen through the logits.
    EXPECT_LT(relative_difference(actual[0][0], expected[0][0]), storage == DType::kF16 ? 1e-3 : 8e-3);
  }
}

}  // namespace
}  // namespace ganglion::differential
