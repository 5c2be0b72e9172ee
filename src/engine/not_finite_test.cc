// A weight that is not a finite number ends the requests that meet it, with its place, and no other.
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <string>

#include "base/error.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "engine/small_opt.h"

namespace ganglion::engine {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::int32_t kBadToken = 7;

// The seeded weights, with one element of one of them replaced.
models::WeightFinder with_bad_weight(const std::string& bad_name, std::int64_t index, float value) {
  return [=, good = models::random_weights(1)](const std::string& name, const Dims& dims) {
    std::shared_ptr<const TensorSource> source = good(name, dims);
    if (name != bad_name) return source;
    Tensor tensor = read_all(*source);
    set_element_from_double(tensor.mutable_view(), index, value);
    return tensor_source(std::move(tensor));
  };
}

EngineOptions options_of(int tp, ThreadPool& pool) {
  EngineOptions options;
  options.tp = tp;
  options.pool = &pool;
  options.max_sequences = 4;
  options.max_batch_tokens = 16;
  options.block_size = 16;
  options.cache_tokens = 128;  // few blocks: each is used again
  return options;
}

struct Outcome {
  std::vector<std::int32_t> ids;
  FinishReason finish = FinishReason::kNone;
  std::string error;
};

// Runs the prompts together: all are there before the step in which the first of them begins.
std::vector<Outcome> run_together(Engine& engine, const std::vector<std::vector<std::int32_t>>& prompts,
                                  std::int64_t new_tokens) {
  std::mutex mutex;
  std::condition_variable ended;
  std::vector<Outcome> outcomes(prompts.size());
  std::size_t left = prompts.size();
  const auto submit = [&](std::size_t i) {
    Request request;
    request.prompt = prompts[i];
    request.max_new_tokens = new_tokens;
    request.on_token = [&, i](const TokenEvent& event) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (event.id >= 0) outcomes[i].ids.push_back(event.id);
      if (event.finish == FinishReason::kNone) return;
      outcomes[i].finish = event.finish;
      try {
        if (event.error) std::rethrow_exception(event.error);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::kInternal);
        outcomes[i].error = error.what();
      }
      if (--left == 0) ended.notify_all();
    };
    engine.submit(std::move(request));
  };
  Request starter;
  starter.prompt = {3};
  starter.max_new_tokens = 1;
  starter.on_token = [&](const TokenEvent&) {
    for (std::size_t i = 0; i < prompts.size(); ++i) submit(i);
  };
  engine.submit(std::move(starter));
  std::unique_lock<std::mutex> lock(mutex);
  ended.wait(lock, [&] { return left == 0; });
  return outcomes;
}

class NotFiniteLogits : public testing::TestWithParam<int> {};

TEST_P(NotFiniteLogits, NameTheLayerAndTheWeightThatTheyBeganWith) {
  ThreadPool pool(2);
  struct Case {
    const char* weight;
    const char* place;
  };
  for (const Case& bad :
       {Case{"model.decoder.layers.1.fc2.weight", "layer 1"}, Case{"model.decoder.layers.1.fc1.weight", "layer 1"},
        Case{"model.decoder.layers.2.self_attn.v_proj.weight", "layer 2"},
        Case{"model.decoder.layers.2.self_attn.q_proj.weight", "layer 2"},
        Case{"model.decoder.layers.0.self_attn_layer_norm.bias", "layer 0"},
        Case{"model.decoder.final_layer_norm.weight", "head"}}) {
    Engine engine(small_opt(3), with_bad_weight(bad.weight, 5, kNan), options_of(GetParam(), pool));
    for (const Outcome& outcome : run_together(engine, {{4, 5, 6}, {9}}, 3)) {
      EXPECT_EQ(outcome.finish, FinishReason::kError);
      EXPECT_TRUE(outcome.ids.empty());
      EXPECT_NE(outcome.error.find(bad.place), std::string::npos) << outcome.error;
      EXPECT_NE(outcome.error.find(bad.weight), std::string::npos) << outcome.error;
    }
    engine.drain(60);
    EXPECT_EQ(engine.stats().free_blocks, engine.stats().total_blocks);
  }
}

TEST_P(NotFiniteLogits, EndTheRequestThatMetThemAndNoOtherOfItsStep) {
  ThreadPool pool(2);
  const std::string table = "model.decoder.embed_tokens.weight";
  const std::vector<std::vector<std::int32_t>> prompts = {{4, 5, 6}, {8, kBadToken, 9}, {10, 11}};
  Engine clean(small_opt(3), models::random_weights(1), options_of(GetParam(), pool));
  const std::vector<Outcome> wanted = run_together(clean, prompts, 20);
  Engine engine(small_opt(3), with_bad_weight(table, kBadToken * 32 + 3, kNan), options_of(GetParam(), pool));
  const std::vector<Outcome> found = run_together(engine, prompts, 20);
  EXPECT_EQ(found[1].finish, FinishReason::kError);
  EXPECT_NE(found[1].error.find("embedding"), std::string::npos) << found[1].error;
  EXPECT_NE(found[1].error.find(table), std::string::npos) << found[1].error;
  for (const std::size_t i : {0, 2}) {
    ASSERT_EQ(std::count(wanted[i].ids.begin(), wanted[i].ids.end(), kBadToken), 0) << "choose another token";
    EXPECT_EQ(found[i].finish, FinishReason::kLength) << found[i].error;
    EXPECT_EQ(found[i].ids, wanted[i].ids);
  }
}

TEST_P(NotFiniteLogits, LeaveNothingBehindInTheBlocksThatTheNextRequestGets) {
  ThreadPool pool(2);
  Engine clean(small_opt(3), models::random_weights(1), options_of(GetParam(), pool));
  const std::vector<Outcome> wanted = run_together(clean, {{4, 5, 6}}, 100);
  ASSERT_EQ(std::count(wanted[0].ids.begin(), wanted[0].ids.end(), kBadToken), 0) << "choose another token";
  Engine engine(small_opt(3), with_bad_weight("model.decoder.embed_tokens.weight", kBadToken * 32, kNan),
                options_of(GetParam(), pool));
  const std::vector<std::int32_t> bad(100, kBadToken);  // every block but one, in several chunks
  EXPECT_EQ(run_together(engine, {bad}, 4)[0].finish, FinishReason::kError);
  const std::vector<Outcome> found = run_together(engine, {{4, 5, 6}}, 100);
  EXPECT_EQ(found[0].finish, FinishReason::kLength) << found[0].error;
  EXPECT_EQ(found[0].ids, wanted[0].ids);
}

TEST_P(NotFiniteLogits, AreTracedToTheCacheWhenAnEarlierChunkOfThePromptLeftThemThere) {
  ThreadPool pool(2);
  Engine engine(small_opt(3), with_bad_weight("model.decoder.embed_tokens.weight", kBadToken * 32, kNan),
                options_of(GetParam(), pool));
  std::vector<std::int32_t> prompt(40, 5);  // chunks of 16
  prompt[2] = kBadToken;
  const Outcome outcome = run_together(engine, {prompt}, 4)[0];
  EXPECT_EQ(outcome.finish, FinishReason::kError);
  EXPECT_NE(outcome.error.find("layer 0: attention"), std::string::npos) << outcome.error;
}

INSTANTIATE_TEST_SUITE_P(TensorParallel, NotFiniteLogits, testing::Values(1, 2));

}  // namespace
}  // namespace ganglion::engine
