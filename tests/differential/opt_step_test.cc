// OPT's step on the CPU backend against the evaluator, and against itself over threads and ranks. What holds for every
// family is in family_step_test.cc.
#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/table.h"
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
    StepCase built = step_case(tiny_opt(true), true, 1, {.storage = storage, .kv = storage});
    const auto expected = run_reference(*built.step.module, built.arguments);
    const auto actual = run_cpu(std::move(built.step.module), built.arguments, {.threads = 2});
    // A cached element may round the other way: one step of the type, seen through the logits.
    EXPECT_LT(relative_difference(actual[0][0], expected[0][0]), storage == DType::kF16 ? 1e-3 : 8e-3);
  }
}

// The kernels sum whole numbers and scale the sum, or scale first; the evaluator does what the composites' bodies say.
TEST(OptStepStorage, WholeNumbersGiveTheEvaluatorsLogitsAndCachesOnEveryTable) {
  models::Config config = tiny_opt(true);
  config.ffn = 128;
  for (const models::Types& types : {models::Types{.storage = DType::kS8}, models::Types{.storage = DType::kS4},
                                     models::Types{.storage = DType::kF32, .kv = DType::kS8},
                                     models::Types{.storage = DType::kS4, .kv = DType::kS8}}) {
    for (const int ranks : {1, 2}) {
      StepCase built = step_case(config, true, ranks, types);
      const auto expected = run_reference(*built.step.module, built.arguments);
      for (const char* isa : {"scalar", "avx2", "avx512"}) {
        if (kernels::find_table(isa) == nullptr) continue;
        StepCase again = step_case(config, true, ranks, types);
        const auto actual =
            run_cpu(std::move(again.step.module), again.arguments, {.threads = 2, .ranks = ranks, .isa = isa});
        for (int rank = 0; rank < ranks; ++rank) {
          const auto r = static_cast<std::size_t>(rank);
          ASSERT_EQ(actual[r].size(), expected[r].size());
          for (std::size_t i = 0; i < expected[r].size(); ++i) {
            // A cached number may round the other way, and is seen through the logits then.
            const bool numbers = expected[r][i].dtype() == DType::kS8;
            EXPECT_LT(relative_difference(actual[r][i], expected[r][i]), numbers                  ? 0.01
                                                                         : types.kv == DType::kS8 ? 1e-3
                                                                                                  : 1e-5)
                << dtype_name(types.storage) << " " << isa << " rank " << rank << " output " << i;
          }
        }
      }
    }
  }
}

TEST(OptStepStorage, WholeNumbersAreNeverWidenedOutsideOfAKernel) {
  models::Config config = tiny_opt(true);
  config.ffn = 128;
  for (const DType storage : {DType::kS8, DType::kS4}) {
    for (const int ranks : {1, 2}) {
      StepCase built = step_case(config, true, ranks, {.storage = storage, .kv = DType::kS8});
      const auto executable = runtime::compile_for_cpu(std::move(built.step.module), {ranks, "scalar", nullptr});
      int matmuls = 0;
      for (const std::string& line : executable->describe_steps()) {
        const std::string kind = line.substr(0, line.find(' '));
        EXPECT_TRUE(kind != "dot" && kind != "gather" && kind != "scatter" && kind != "reduce") << line;
        if (kind != "matmul") continue;
        ++matmuls;
        EXPECT_TRUE(line.find("matmul s8") == 0 || line.find("matmul s4") == 0) << line;
      }
      EXPECT_EQ(matmuls, 2 * 6 + 1);
    }
  }
}

TEST(OptStepStorage, ATiedVocabularyInWholeNumbersIsKeptOnce) {
  models::Config config = tiny_opt(true);
  config.vocab = 4096;  // 4096 * 64 numbers and 4096 scales, beside which the layers are small
  StepCase built = step_case(config, true, 1, {.storage = DType::kS8});
  const auto executable = runtime::compile_for_cpu(std::move(built.step.module), {1, "scalar", nullptr});
  const std::int64_t vocabulary = 4096 * 64 + 4096 * 4;
  EXPECT_LT(executable->footprint().weights, vocabulary + vocabulary / 2);
}

TEST(OptStepStorage, RanksThatWouldCutAGroupAreRefusedWithTheReason) {
  try {
    step_case(tiny_opt(true), true, 4, {.storage = DType::kS4});  // 64 inputs over 4 ranks
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("16 each, which groups of 32 do not divide"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace ganglion::differential
