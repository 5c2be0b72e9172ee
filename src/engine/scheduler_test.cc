#include "engine/scheduler.h"

#include <gtest/gtest.h>

namespace ganglion::engine {
namespace {

std::unique_ptr<Sequence> sequence(Engine::RequestId id, std::int64_t prompt, std::int64_t new_tokens) {
  auto out = std::make_unique<Sequence>();
  out->id = id;
  out->request.prompt.assign(static_cast<std::size_t>(prompt), 7);
  out->request.max_new_tokens = new_tokens;
  out->tokens = out->request.prompt;
  return out;
}

// Runs the batch as the engine would: tokens computed, a new token for every sequence that reached its end.
void run(Scheduler& scheduler, const std::vector<Chunk>& chunks) {
  for (const Chunk& chunk : chunks) {
    scheduler.computed(chunk);
    if (chunk.last) chunk.sequence->tokens.push_back(9);
  }
}

constexpr SchedulerOptions kOptions = {.max_sequences = 4, .max_batch_tokens = 8, .block_size = 16, .blocks = 8};

TEST(Scheduler, SplitsALongPromptIntoChunksOfTheTokenBudget) {
  Scheduler scheduler(kOptions);
  scheduler.add(sequence(1, 20, 4));
  for (const std::int64_t count : {8, 8, 4}) {
    const auto chunks = scheduler.next_batch();
    ASSERT_EQ(chunks.size(), 1u);
    EXPECT_EQ(chunks[0].count, count);
    EXPECT_EQ(chunks[0].last, count == 4);
    run(scheduler, chunks);
  }
}

TEST(Scheduler, DecodesEverySequenceBeforeItSpendsTheBudgetOnPrompts) {
  Scheduler scheduler(kOptions);
  scheduler.add(sequence(1, 2, 4));
  run(scheduler, scheduler.next_batch());
  scheduler.add(sequence(2, 20, 4));
  const auto chunks = scheduler.next_batch();
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0].sequence->id, 1u);
  EXPECT_EQ(chunks[0].count, 1);
  EXPECT_EQ(chunks[1].sequence->id, 2u);
  EXPECT_EQ(chunks[1].count, 7);
}

TEST(Scheduler, ARequestWaitsUntilAllItsBlocksAreFreeAndIsNotOvertaken) {
  Scheduler scheduler(kOptions);
  scheduler.add(sequence(1, 16, 65));  // 80 positions: 5 blocks
  scheduler.add(sequence(2, 16, 65));  // 5 more: not yet
  scheduler.add(sequence(3, 1, 1));    // would fit, but came later
  scheduler.next_batch();
  EXPECT_EQ(scheduler.running(), 1);
  EXPECT_EQ(scheduler.waiting(), 2);
  EXPECT_NE(scheduler.remove(1), nullptr);
  scheduler.next_batch();
  EXPECT_EQ(scheduler.ids(), (std::vector<Engine::RequestId>{2, 3}));
  EXPECT_EQ(scheduler.running(), 2);
}

TEST(Scheduler, RunsAtMostMaxSequencesAndGivesEachItsOwnRow) {
  Scheduler scheduler(kOptions);
  for (Engine::RequestId id = 1; id <= 6; ++id) scheduler.add(sequence(id, 1, 2));
  const auto chunks = scheduler.next_batch();
  ASSERT_EQ(chunks.size(), 4u);
  for (std::int32_t row = 0; row < 4; ++row) EXPECT_EQ(chunks[static_cast<std::size_t>(row)].sequence->row, row);
  scheduler.remove(2);
  const auto next = scheduler.next_batch();
  EXPECT_EQ(next.back().sequence->id, 5u);
  EXPECT_EQ(next.back().sequence->row, 1);
}

TEST(Scheduler, RemovingASequenceFreesWhatItHeld) {
  Scheduler scheduler(kOptions);
  scheduler.add(sequence(1, 30, 30));
  scheduler.next_batch();
  EXPECT_LT(scheduler.blocks().free_blocks(), 8);
  EXPECT_NE(scheduler.remove(1), nullptr);
  EXPECT_EQ(scheduler.blocks().free_blocks(), 8);
  EXPECT_EQ(scheduler.remove(1), nullptr);
  EXPECT_TRUE(scheduler.next_batch().empty());
}

}  // namespace
}  // namespace ganglion::engine
