// Greedy decoding in f32 against Hugging Face transformers, on tiny models of every layout of every family and on the
// embedded one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/thread_pool.h"
#include "tests/exactness/golden.h"
#include "tests/exactness/runner.h"

namespace ganglion::exactness {
namespace {

constexpr double kTie = 1e-3;  // a step whose two best logits are nearer than this may go either way

std::vector<engine::Request> requests_of(const Golden& golden) {
  std::vector<engine::Request> requests;
  for (const GoldenPrompt& prompt : golden.prompts) {
    engine::Request request;
    request.prompt = prompt.ids;
    request.max_new_tokens = static_cast<std::int64_t>(prompt.new_ids.size());
    request.want_logits = true;
    requests.push_back(std::move(request));
  }
  return requests;
}

void expect_same_tokens(const Golden& golden, const std::vector<Generated>& generated) {
  ASSERT_EQ(generated.size(), golden.prompts.size());
  for (std::size_t i = 0; i < generated.size(); ++i) {
    const GoldenPrompt& prompt = golden.prompts[i];
    ASSERT_EQ(generated[i].ids.size(), prompt.new_ids.size());
    for (std::size_t step = 0; step < prompt.new_ids.size(); ++step) {
      if (generated[i].ids[step] == prompt.new_ids[step]) continue;
      EXPECT_LT(prompt.gaps[step], kTie) << "prompt " << i << ", step " << step << ": token " << generated[i].ids[step]
                                         << ", Hugging Face has " << prompt.new_ids[step];
      break;  // another token was a tie: what follows is another text
    }
  }
}

// The largest difference over the largest reference, in the steps that the golden keeps.
double logits_differ_by(const Golden& golden, const std::vector<Generated>& generated) {
  const auto reference = golden.logits.as<float>();
  const auto steps = golden.logit_steps.size();
  const auto vocab = static_cast<std::size_t>(golden.logits.dims()[2]);
  double largest = 0;
  double difference = 0;
  for (std::size_t prompt = 0; prompt < generated.size(); ++prompt) {
    for (std::size_t step = 0; step < steps; ++step) {
      const auto& own = generated[prompt].logits.at(static_cast<std::size_t>(golden.logit_steps[step]));
      for (std::size_t i = 0; i < vocab; ++i) {
        const double wanted = static_cast<double>(reference[(prompt * steps + step) * vocab + i]);
        largest = std::max(largest, std::abs(wanted));
        difference = std::max(difference, std::abs(wanted - static_cast<double>(own[i])));
      }
    }
  }
  return difference / largest;
}

class HuggingFace : public testing::TestWithParam<std::string> {
 protected:
  HuggingFace() : pool_(2), golden_(load_golden(GetParam())), checkpoint_(open_checkpoint(golden_.model)) {}

  engine::EngineOptions options() {
    engine::EngineOptions options;
    options.n_positions = 128;
    options.max_sequences = 8;
    options.max_batch_tokens = 64;
    options.block_size = 16;
    options.pool = &pool_;
    return options;
  }

  ThreadPool pool_;
  Golden golden_;
  Checkpoint checkpoint_;
};

TEST_P(HuggingFace, HasTheSameTokensAndLogitsWhenPromptsOfManyLengthsRunTogether) {
  engine::Engine engine(checkpoint_.config, checkpoint_.weights, options());
  const auto generated = run_together(engine, requests_of(golden_), checkpoint_.config.vocab);
  expect_same_tokens(golden_, generated);
  EXPECT_LT(logits_differ_by(golden_, generated), 1e-4);
}

TEST_P(HuggingFace, HasTheSameTokensAndLogitsWhenEachPromptRunsAlone) {
  engine::Engine engine(checkpoint_.config, checkpoint_.weights, options());
  const auto generated = run_alone(engine, requests_of(golden_), checkpoint_.config.vocab);
  expect_same_tokens(golden_, generated);
  EXPECT_LT(logits_differ_by(golden_, generated), 1e-4);
}

TEST_P(HuggingFace, HasTheSameTokensOnEveryNumberOfRanks) {
  for (const int tp : {1, 2, 4, 8}) {
    if (checkpoint_.config.heads % tp != 0) continue;  // most of the tiny models have 4 heads
    SCOPED_TRACE(testing::Message() << "tp " << tp);
    auto on_ranks = options();
    on_ranks.tp = tp;
    engine::Engine engine(checkpoint_.config, checkpoint_.weights, on_ranks);
    const auto generated = run_together(engine, requests_of(golden_), checkpoint_.config.vocab);
    expect_same_tokens(golden_, generated);
    EXPECT_LT(logits_differ_by(golden_, generated), 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, HuggingFace, testing::ValuesIn(golden_names()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace ganglion::exactness
