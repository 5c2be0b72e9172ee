// The scheduler under seeded random traffic, with integers instead of a model: what must hold after every step, and
// what must hold at the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "engine/scheduler.h"
#include "planner/plan.h"

namespace ganglion::engine {
namespace {

class Traffic {
 public:
  explicit Traffic(std::uint32_t seed) : random_(seed), options_(random_options()), scheduler_(options_) {}

  void run() {
    constexpr Engine::RequestId kRequests = 60;
    Engine::RequestId next = 1;
    while (ended_ < static_cast<std::int64_t>(kRequests)) {
      while (next <= kRequests && chance(4)) add(next++);
      if (next > 1 && chance(40)) cancel(number(1, static_cast<std::int64_t>(next) - 1));
      const auto waiting = waiting_ids();
      const auto chunks = scheduler_.next_batch();
      count_overtaking(waiting);
      check_batch(chunks);
      carry_out(chunks);
      check_blocks();
      ASSERT_TRUE(!chunks.empty() || scheduler_.waiting() + scheduler_.running() == 0) << "nothing runs";
      ASSERT_LT(++steps_, 200'000) << "it does not end";
    }
    EXPECT_EQ(scheduler_.cache().blocks().used_blocks(), 0);
    EXPECT_TRUE(scheduler_.ids().empty());
    EXPECT_EQ(scheduler_.preempted(), 0);
  }
  std::int64_t preemptions() const { return scheduler_.counts().preemptions; }
  std::int64_t hits() const { return scheduler_.cache().prefix_counts().hits; }
  std::int64_t overtaken() const { return most_overtaken_; }

 private:
  std::int64_t number(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  bool chance(std::int64_t one_in) { return number(1, one_in) == 1; }

  SchedulerOptions random_options() {
    SchedulerOptions options;
    options.max_sequences = number(1, 8);
    options.max_batch_tokens = number(options.max_sequences, 64);
    options.block_size = 16;
    options.blocks = number(4, 24);
    options.share_prefixes = !chance(4);
    options.max_overtaken = number(1, 5);
    return options;
  }

  void add(Engine::RequestId id) {
    const std::int64_t most = options_.blocks * options_.block_size;
    auto sequence = std::make_unique<Sequence>();
    sequence->id = id;
    const std::int64_t prompt = chance(3) ? number(1, most) : number(1, 40);
    sequence->request.max_new_tokens = number(1, std::min<std::int64_t>(60, most - prompt + 1));
    // Few texts, so that many have a beginning in common.
    const std::int64_t text = number(1, 3);
    for (std::int64_t i = 0; i < prompt; ++i) sequence->request.prompt.push_back(static_cast<std::int32_t>(text));
    if (chance(2)) sequence->request.prompt.back() = 99;
    sequence->tokens = sequence->request.prompt;
    sequence->salt = chance(5) ? "other" : "";
    alive_[id] = sequence.get();
    scheduler_.add(std::move(sequence));
  }

  void cancel(std::int64_t id) {
    const auto gone = scheduler_.remove(static_cast<Engine::RequestId>(id));
    EXPECT_EQ(gone != nullptr, alive_.erase(static_cast<Engine::RequestId>(id)) == 1);
    if (gone == nullptr) return;
    text_of_.erase(gone->id);
    ++ended_;
  }

  std::vector<Engine::RequestId> waiting_ids() const {
    std::vector<Engine::RequestId> out;
    for (const auto& [id, sequence] : alive_) {
      if (sequence->row < 0) out.push_back(id);
    }
    return out;
  }

  // Of those that waited before the batch was made, each younger one that now runs has overtaken the older that do not.
  void count_overtaking(const std::vector<Engine::RequestId>& waited) {
    for (const auto older : waited) {
      if (alive_.at(older)->row >= 0) continue;
      for (const auto younger : waited) overtaken_[older] += younger > older && alive_.at(younger)->row >= 0 ? 1 : 0;
      most_overtaken_ = std::max(most_overtaken_, overtaken_[older]);
      EXPECT_LE(overtaken_[older], options_.max_overtaken);
    }
  }

  void check_batch(const std::vector<Chunk>& chunks) {
    std::int64_t tokens = 0;
    std::vector<bool> rows(static_cast<std::size_t>(options_.max_sequences), false);
    for (const Chunk& chunk : chunks) {
      const Sequence& sequence = *chunk.sequence;
      ASSERT_EQ(alive_.at(sequence.id), &sequence);
      tokens += chunk.count;
      EXPECT_GE(chunk.count, 1);
      EXPECT_EQ(chunk.begin, sequence.computed);
      EXPECT_EQ(chunk.last, chunk.begin + chunk.count == sequence.size());
      EXPECT_LE(chunk.begin + chunk.count, static_cast<std::int64_t>(sequence.blocks.size()) * options_.block_size);
      ASSERT_FALSE(rows.at(static_cast<std::size_t>(sequence.row)));
      rows[static_cast<std::size_t>(sequence.row)] = true;
    }
    EXPECT_LE(tokens, options_.max_batch_tokens);
    // The oldest that runs is left out only while steps without prompt tokens are measured: two for each power of two
    // of sequences that decode.
    bool has_oldest = true;
    for (const auto& [id, sequence] : alive_) {
      if (sequence->row < 0) continue;
      has_oldest = std::any_of(chunks.begin(), chunks.end(), [&](const Chunk& c) { return c.sequence->id == id; });
      break;
    }
    left_out_ = has_oldest ? 0 : left_out_ + 1;
    EXPECT_LE(left_out_, 2 * 4);
  }

  void carry_out(const std::vector<Chunk>& chunks) {
    for (const Chunk& chunk : chunks) {
      Sequence& sequence = *chunk.sequence;
      write(sequence, chunk);
      scheduler_.computed(chunk);
      check_content(sequence);
      // What was handed out stays as it is, whatever happened to the request since.
      auto& text = text_of_[sequence.id];
      ASSERT_TRUE(std::equal(text.begin(), text.end(),
                             sequence.tokens.begin() + static_cast<std::ptrdiff_t>(sequence.request.prompt.size())));
      if (!chunk.last) continue;
      const auto token = static_cast<std::int32_t>(sequence.id % 2 == 0 ? 1 : number(1, 3));
      sequence.tokens.push_back(token);
      text.push_back(token);
      if (sequence.new_tokens() < sequence.request.max_new_tokens) continue;
      EXPECT_EQ(static_cast<std::int64_t>(text.size()), sequence.request.max_new_tokens);
      cancel(static_cast<std::int64_t>(sequence.id));
    }
    scheduler_.step_took(1e-3 * static_cast<double>(number(1, 50)));
  }

  // A cache of the whole text that each position stands for: what K and V depend on.
  void write(const Sequence& sequence, const Chunk& chunk) {
    std::size_t state = std::hash<std::string>{}(sequence.salt);
    for (std::int64_t i = 0; i < chunk.begin + chunk.count; ++i) {
      state = state * 1000003 + static_cast<std::size_t>(sequence.tokens[static_cast<std::size_t>(i)]);
      if (i >= chunk.begin) content_[slot(sequence, i)] = state;
    }
  }
  void check_content(const Sequence& sequence) {
    std::size_t state = std::hash<std::string>{}(sequence.salt);
    for (std::int64_t i = 0; i < sequence.computed; ++i) {
      state = state * 1000003 + static_cast<std::size_t>(sequence.tokens[static_cast<std::size_t>(i)]);
      ASSERT_EQ(content_[slot(sequence, i)], state) << "position " << i << " holds another text";
    }
  }
  std::int64_t slot(const Sequence& sequence, std::int64_t i) const {
    return sequence.blocks[static_cast<std::size_t>(i / options_.block_size)] * options_.block_size +
           i % options_.block_size;
  }

  // Every block is read by as many sequences as hold it, and all of them are used, kept or free.
  void check_blocks() {
    const BlockManager& blocks = scheduler_.cache().blocks();
    std::map<BlockId, std::int32_t> readers;
    for (const auto& [id, sequence] : alive_) {
      for (const BlockId block : sequence->blocks) ++readers[block];
      EXPECT_EQ(sequence->row >= 0, !sequence->blocks.empty());
    }
    for (BlockId block = 0; block < options_.blocks; ++block) ASSERT_EQ(blocks.readers(block), readers[block]);
    const auto used = std::count_if(readers.begin(), readers.end(), [](const auto& pair) { return pair.second > 0; });
    EXPECT_EQ(blocks.used_blocks(), used);
    EXPECT_EQ(blocks.used_blocks() + blocks.kept_blocks() + blocks.free_blocks(), options_.blocks);
    if (!options_.share_prefixes) {
      EXPECT_EQ(blocks.kept_blocks(), 0);
    }
  }

  std::mt19937 random_;
  const SchedulerOptions options_;
  Scheduler scheduler_;
  std::map<Engine::RequestId, const Sequence*> alive_;
  std::map<Engine::RequestId, std::vector<std::int32_t>> text_of_;
  std::map<Engine::RequestId, std::int64_t> overtaken_;
  std::map<std::int64_t, std::size_t> content_;
  std::int64_t most_overtaken_ = 0;
  std::int64_t left_out_ = 0;  // steps in a row
  std::int64_t ended_ = 0;
  std::int64_t steps_ = 0;
};

TEST(SchedulerTraffic, KeepsItsPromisesUnderAnyTraffic) {
  std::int64_t preemptions = 0;
  std::int64_t hits = 0;
  std::int64_t overtaken = 0;
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Traffic traffic(seed);
    traffic.run();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
    preemptions += traffic.preemptions();
    hits += traffic.hits();
    overtaken += traffic.overtaken();
  }
  // The traffic is such that all of it happens.
  EXPECT_GT(preemptions, 1000);
  EXPECT_GT(hits, 1000);
  EXPECT_GT(overtaken, 100);
}

}  // namespace
}  // namespace ganglion::engine
