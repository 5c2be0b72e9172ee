// The step of every family on the CPU backend against the evaluator, on one rank and on several, and what its program
// is made of. Weights are random; the shapes are those of the goldens, whose numbers tests/exactness compares.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <ostream>

#include "models/registry.h"
#include "runtime/executable.h"
#include "tests/differential/backend_pair.h"
#include "tests/differential/step_case.h"

namespace ganglion::differential {
namespace {

std::vector<std::string> golden_folders() {
  std::vector<std::string> out;
  for (const char* kind : {"tests/goldens/families", "tests/goldens/opt"}) {
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(GANGLION_SOURCE_DIR) / kind)) {
      if (std::filesystem::exists(entry.path() / "config.json")) out.push_back(entry.path().string());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

class FamilyStep : public testing::TestWithParam<std::string> {
 protected:
  FamilyStep() : config_(models::read_config(GetParam())) {
    // So that a sequence of 18 is beyond the boundary.
    if (config_.rotary && config_.rotary->scaling == nn::RotaryScaling::kDynamic) {
      config_.rotary->original_positions = 8;
    }
  }
  models::Config config_;
};

TEST_P(FamilyStep, GivesTheEvaluatorsLogitsAndCachesOnAnyNumberOfRanks) {
  for (const int ranks : {1, 2, 4}) {
    StepCase built = step_case(config_, true, ranks);
    const auto expected = run_reference(*built.step.module, built.arguments);
    for (const std::string isa : {"scalar", ""}) {
      StepCase again = step_case(config_, true, ranks);
      const auto actual =
          run_cpu(std::move(again.step.module), again.arguments, {.threads = 2, .ranks = ranks, .isa = isa});
      for (std::size_t rank = 0; rank < actual.size(); ++rank) {
        ASSERT_EQ(actual[rank].size(), expected[rank].size());
        for (std::size_t i = 0; i < actual[rank].size(); ++i) {
          EXPECT_LT(relative_difference(actual[rank][i], expected[rank][i]), 1e-5)
              << ranks << " ranks, rank " << rank << ", output " << i;
        }
      }
    }
  }
}

TEST_P(FamilyStep, IsBitEqualForAnyNumberOfThreads) {
  std::vector<std::vector<Tensor>> first;
  for (const int threads : {1, 3}) {
    StepCase built = step_case(config_, true, 1);
    auto results = run_cpu(std::move(built.step.module), built.arguments, {.threads = threads, .isa = ""});
    if (first.empty()) first = std::move(results);
    if (results.empty()) continue;
    for (std::size_t i = 0; i < first[0].size(); ++i) EXPECT_TRUE(bit_equal(results[0][i], first[0][i])) << threads;
  }
}

TEST_P(FamilyStep, HasNoGenericStepOnWeightsOrCaches) {
  for (const int ranks : {1, 4}) {
    StepCase built = step_case(config_, true, ranks);
    const auto executable = runtime::compile_for_cpu(std::move(built.step.module), {ranks, "scalar", nullptr});
    for (const std::string& line : executable->describe_steps()) {
      const std::string kind = line.substr(0, line.find(' '));
      EXPECT_TRUE(kind != "dot" && kind != "gather" && kind != "scatter" && kind != "reduce") << line;
      // What is moved or computed element by element has rows of tokens, never a matrix or a cache.
      if (kind == "move" || kind == "elementwise") {
        EXPECT_TRUE(line.find("[<=") != std::string::npos || line.find("[]") != std::string::npos ||
                    line.find("[7,") != std::string::npos)
            << line;
      }
    }
  }
}

TEST_P(FamilyStep, RunsNormsPositionsAndActivationsByKernelsOfTheirOwn) {
  StepCase built = step_case(config_, true, 1);
  const auto executable = runtime::compile_for_cpu(std::move(built.step.module), {1, "scalar", nullptr});
  std::int64_t norms = 0, rotaries = 0, activated = 0, elementwise = 0;
  for (const std::string& line : executable->describe_steps()) {
    norms += line.starts_with("layer_norm") || line.starts_with("rms_norm") ? 1 : 0;
    rotaries += line.starts_with("rotary") ? 1 : 0;
    elementwise += line.starts_with("elementwise") ? 1 : 0;
    for (const char* activation : {" relu", " gelu-erf", " gelu-tanh", " silu"}) {
      activated += line.starts_with("matmul") && line.find(activation) != std::string::npos ? 1 : 0;
    }
  }
  EXPECT_GE(norms, 1 * config_.layers);
  EXPECT_EQ(rotaries, config_.rotary ? 2 * config_.layers : 0);
  EXPECT_EQ(activated, config_.layers);
  // At most the product of a gated MLP in each layer, and what is made once: positions, angles.
  EXPECT_LE(elementwise, config_.layers + 5);
}

INSTANTIATE_TEST_SUITE_P(Goldens, FamilyStep, testing::ValuesIn(golden_folders()), [](const auto& info) {
  std::string name = std::filesystem::path(info.param).filename().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace ganglion::differential
