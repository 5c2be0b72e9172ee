// A request gets the same tokens and log-probabilities, bit for bit, alone and among others: whatever their number,
// their lengths and when they come, however prompts are cut in chunks, whether its beginning was cached, however often
// it lost its blocks to an older one and had its tokens computed again, on one thread and on two.
#include <gtest/gtest.h>

#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <ostream>
#include <random>

#include "base/thread_pool.h"
#include "engine/engine.h"
#include "models/opt.h"
#include "tests/exactness/golden.h"

namespace ganglion::exactness {
namespace {

constexpr int kMixes = 200;
constexpr std::int64_t kPositions = 128;

struct Case {
  const char* name;
  models::Types types;
  const char* golden = nullptr;  // a checkpoint; null: a small OPT with seeded weights
};
void PrintTo(const Case& which, std::ostream* out) { *out << which.name; }

// The dynamic rotary: K depends on the length of the prompt too.
const Case kCases[] = {
    {"f32", {.storage = DType::kF32}},
    {"f16", {.storage = DType::kF16, .kv = DType::kF16}},
    {"bf16", {.storage = DType::kBF16, .kv = DType::kBF16}},
    {"s8", {.storage = DType::kS8, .kv = DType::kS8}},
    {"s4", {.storage = DType::kS4, .kv = DType::kF16}},
    {"dynamic_rotary", {.storage = DType::kF32}, "llama-dynamic"},
};

Checkpoint model_of(const Case& which) {
  if (which.golden != nullptr) return open_checkpoint(load_golden(which.golden).model);
  models::Config config;
  config.model_type = "opt";
  config.vocab = 96;
  config.hidden = 64;
  config.own = models::OptConfig{.embed_dim = 64};
  config.layers = 2;
  config.heads = config.kv_heads = 4;
  config.head_dim = 16;
  config.ffn = 128;
  config.max_positions = kPositions;
  config.eos = 2;
  return {config, models::random_weights(3)};
}

struct Answer {
  std::vector<std::int32_t> ids;
  std::vector<float> log_probs;
};

bool bit_equal(const Answer& a, const Answer& b) {
  return a.ids == b.ids && a.log_probs.size() == b.log_probs.size() &&
         std::memcmp(a.log_probs.data(), b.log_probs.data(), a.log_probs.size() * sizeof(float)) == 0;
}

// Submits the first few requests at once and each other one when some request has got a token. Of those that
// `may_leave` some are cancelled on the way.
class Mix {
 public:
  Mix(engine::Engine& engine, std::vector<engine::Request> requests, std::vector<bool> may_leave, std::mt19937& random)
      : engine_(engine),
        requests_(std::move(requests)),
        may_leave_(std::move(may_leave)),
        random_(random),
        answers_(requests_.size()),
        ids_(requests_.size(), 0) {}

  std::vector<Answer> run(std::size_t at_once) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (std::size_t i = 0; i < at_once; ++i) submit_next();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    ended_.wait(lock, [this] { return left_ == 0 && next_ == requests_.size(); });
    if (error_) std::rethrow_exception(error_);
    return answers_;
  }

 private:
  void submit_next() {
    if (next_ == requests_.size()) return;
    engine::Request request = requests_[next_];
    request.on_token = [this, mine = next_](const engine::TokenEvent& event) { on_token(mine, event); };
    ++left_;
    ids_[next_++] = engine_.submit(std::move(request));
  }
  void on_token(std::size_t request, const engine::TokenEvent& event) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (event.id >= 0) {
      answers_[request].ids.push_back(event.id);
      answers_[request].log_probs.push_back(event.log_prob);
    }
    const bool ends = event.finish != engine::FinishReason::kNone;
    if (ends || random_() % 4 == 0) submit_next();
    const std::size_t leaves = random_() % (50 * ids_.size());
    if (leaves < next_ && may_leave_[leaves]) engine_.cancel(ids_[leaves]);
    if (!ends) return;
    if (event.error) error_ = event.error;
    --left_;
    ended_.notify_all();
  }

  engine::Engine& engine_;
  const std::vector<engine::Request> requests_;
  const std::vector<bool> may_leave_;
  std::mt19937& random_;  // under the mutex, like all below
  std::vector<Answer> answers_;
  std::vector<engine::Engine::RequestId> ids_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t next_ = 0;
  std::size_t left_ = 0;
  std::exception_ptr error_;
};

class RandomMixes : public testing::TestWithParam<Case> {
 protected:
  RandomMixes() : model_(model_of(GetParam())) {}

  std::int64_t number(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  std::int32_t any_token() { return static_cast<std::int32_t>(number(3, model_.config.vocab - 1)); }

  engine::Request request(std::int64_t prompt, std::int64_t new_tokens) {
    engine::Request out;
    while (static_cast<std::int64_t>(out.prompt.size()) < prompt) out.prompt.push_back(any_token());
    out.max_new_tokens = new_tokens;
    out.sampling.greedy = random_() % 2 == 0;
    out.sampling.top_k = 20;
    out.sampling.seed = random_();
    return out;
  }
  // Begins as `subject` does, for a random while.
  engine::Request other(const engine::Request& subject) {
    engine::Request out = request(number(1, 90), number(1, 30));
    if (random_() % 2 == 0) {
      const auto common = static_cast<std::size_t>(
          number(0, static_cast<std::int64_t>(std::min(out.prompt.size(), subject.prompt.size()))));
      std::copy_n(subject.prompt.begin(), common, out.prompt.begin());
    }
    return out;
  }

  engine::EngineOptions alone_options(ThreadPool& pool) const {
    engine::EngineOptions options;
    options.types = GetParam().types;
    options.n_positions = std::min(kPositions, model_.config.max_positions);
    options.max_sequences = 1;
    options.max_batch_tokens = kPositions;
    options.prefix_cache = false;
    options.pool = &pool;
    return options;
  }
  engine::EngineOptions mixed_options(ThreadPool& pool) {
    engine::EngineOptions options = alone_options(pool);
    options.max_sequences = number(2, 8);
    options.max_batch_tokens = number(options.max_sequences, 80);
    options.block_size = 16 * number(1, 2);
    options.cache_tokens = number(kPositions, 3 * kPositions);
    options.prefix_cache = random_() % 8 != 0;
    return options;
  }

  std::mt19937 random_{20};
  Checkpoint model_;
};

TEST_P(RandomMixes, ARequestGetsTheSameBitsAloneAndInTwoHundredMixes) {
  ThreadPool one(1);
  ThreadPool two(2);
  std::vector<engine::Request> subjects;
  std::vector<Answer> wanted;
  for (const std::int64_t prompt : {2, 33, 64, 97}) {
    subjects.push_back(request(prompt, 24));
    engine::Engine engine(model_.config, model_.weights, alone_options(one));
    wanted.push_back(Mix(engine, {subjects.back()}, {false}, random_).run(1).front());
    ASSERT_EQ(wanted.back().ids.size(), 24u);
  }
  std::int64_t preemptions = 0;
  std::int64_t tokens_saved = 0;
  for (int mix = 0; mix < kMixes; ++mix) {
    SCOPED_TRACE(testing::Message() << "mix " << mix);
    const std::size_t subject = static_cast<std::size_t>(mix) % subjects.size();
    std::vector<engine::Request> requests;
    const std::int64_t others = number(2, 8);
    for (std::int64_t i = 0; i < others; ++i) requests.push_back(other(subjects[subject]));
    // Twice, so that one may find what the other has computed.
    std::vector<std::size_t> places;
    for (int copy = 0; copy < 2; ++copy) {
      const auto place = static_cast<std::size_t>(number(0, static_cast<std::int64_t>(requests.size())));
      requests.insert(requests.begin() + static_cast<std::ptrdiff_t>(place), subjects[subject]);
      for (std::size_t& before : places) before += before >= place ? 1 : 0;
      places.push_back(place);
    }
    engine::Engine engine(model_.config, model_.weights, mixed_options(mix % 2 == 0 ? one : two));
    const auto at_once = static_cast<std::size_t>(number(1, static_cast<std::int64_t>(requests.size())));
    std::vector<bool> may_leave(requests.size(), true);
    for (const std::size_t place : places) may_leave[place] = false;
    const auto answers = Mix(engine, std::move(requests), std::move(may_leave), random_).run(at_once);
    for (const std::size_t place : places)
      ASSERT_TRUE(bit_equal(answers[place], wanted[subject])) << "subject " << subject << " at place " << place;
    engine.drain(60);  // returns when all is counted
    preemptions += engine.stats().preemptions;
    tokens_saved += engine.stats().prefix_tokens_saved;
  }
  // The mixes are such that it all happens.
  EXPECT_GT(preemptions, 20);
  EXPECT_GT(tokens_saved, 1000);
}

INSTANTIATE_TEST_SUITE_P(Types, RandomMixes, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace ganglion::exactness
