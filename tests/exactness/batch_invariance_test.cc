// A request's numbers depend on its prompt, parameters and seed only: bit for bit the same alone, in any batch, with
// the prompt in chunks of any size, on any number of threads.
#include <gtest/gtest.h>

#include <cstring>
#include <ostream>

#include "base/thread_pool.h"
#include "engine/model.h"
#include "kernels/table.h"
#include "tests/exactness/golden.h"
#include "tests/exactness/runner.h"

namespace ganglion::exactness {
namespace {

constexpr std::int64_t kNewTokens = 12;

struct Case {
  std::string dtype;
  std::string isa;
};
void PrintTo(const Case& which, std::ostream* out) { *out << which.isa << " " << which.dtype; }

std::vector<Case> cases() {
  std::vector<Case> out;
  int count = 0;
  const kernels::TableInfo* tables = kernels::all_tables(&count);
  for (int i = 0; i < count; ++i) {
    if (!tables[i].runnable) continue;
    for (const char* dtype : {"f32", "f16", "bf16"}) out.push_back({dtype, std::string(tables[i].table->isa)});
  }
  return out;
}

std::vector<engine::Request> requests_of(const Golden& golden) {
  std::vector<engine::Request> requests;
  for (const GoldenPrompt& prompt : golden.prompts) {
    engine::Request request;
    request.prompt = prompt.ids;
    request.max_new_tokens = kNewTokens;
    request.want_logits = true;
    request.sampling.greedy = requests.size() % 2 == 0;
    request.sampling.top_k = 50;
    request.sampling.seed = 7;
    requests.push_back(std::move(request));
  }
  return requests;
}

void expect_bit_equal(const std::vector<Generated>& one, const std::vector<Generated>& other) {
  ASSERT_EQ(one.size(), other.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "prompt " << i);
    ASSERT_EQ(one[i].ids, other[i].ids);
    ASSERT_EQ(one[i].logits.size(), other[i].logits.size());
    for (std::size_t step = 0; step < one[i].logits.size(); ++step) {
      const auto& a = one[i].logits[step];
      const auto& b = other[i].logits[step];
      ASSERT_EQ(a.size(), b.size());
      ASSERT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0) << "logits of step " << step;
    }
  }
}

class BatchInvariance : public testing::TestWithParam<Case> {
 protected:
  BatchInvariance() : golden_(load_golden("pre-norm-relu-tied")), checkpoint_(open_checkpoint(golden_.model)) {}

  engine::EngineOptions options(ThreadPool& pool, std::int64_t max_sequences, std::int64_t max_batch_tokens) const {
    engine::EngineOptions options;
    options.types = engine::parse_types(GetParam().dtype);
    options.isa = GetParam().isa;
    options.max_sequences = max_sequences;
    options.max_batch_tokens = max_batch_tokens;
    options.block_size = 16;
    options.pool = &pool;
    return options;
  }
  std::vector<Generated> alone() const {
    ThreadPool pool(1);
    engine::Engine engine(checkpoint_.config, checkpoint_.weights, options(pool, 1, 128));
    return run_alone(engine, requests_of(golden_), checkpoint_.config.vocab);
  }

  Golden golden_;
  Checkpoint checkpoint_;
};

TEST_P(BatchInvariance, ARequestGetsTheSameBitsInABatchAsAlone) {
  ThreadPool pool(2);
  engine::Engine engine(checkpoint_.config, checkpoint_.weights, options(pool, 8, 512));
  expect_bit_equal(alone(), run_together(engine, requests_of(golden_), checkpoint_.config.vocab));
}

TEST_P(BatchInvariance, ARequestGetsTheSameBitsHoweverItsPromptIsCutInChunks) {
  const auto wanted = alone();
  for (const std::int64_t budget : {1, 5, 17}) {
    SCOPED_TRACE(testing::Message() << "token budget " << budget);
    ThreadPool pool(2);
    engine::Engine engine(checkpoint_.config, checkpoint_.weights, options(pool, 1, budget));
    expect_bit_equal(wanted, run_alone(engine, requests_of(golden_), checkpoint_.config.vocab));
  }
}

TEST_P(BatchInvariance, ARequestGetsTheSameBitsWhenChunksAndDecodingShareSteps) {
  ThreadPool pool(3);
  engine::Engine engine(checkpoint_.config, checkpoint_.weights, options(pool, 4, 7));
  expect_bit_equal(alone(), run_together(engine, requests_of(golden_), checkpoint_.config.vocab));
}

INSTANTIATE_TEST_SUITE_P(Types, BatchInvariance, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.isa + "_" + info.param.dtype; });

}  // namespace
}  // namespace ganglion::exactness
