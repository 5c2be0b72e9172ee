#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>

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
  for (int i = 0; i < 2; ++i) {
    run(scheduler, scheduler.next_batch());
    scheduler.step_took(0.010);
  }
  scheduler.add(sequence(2, 20, 4));
  const auto chunks = scheduler.next_batch();
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0].sequence->id, 1u);
  EXPECT_EQ(chunks[0].count, 1);
  EXPECT_EQ(chunks[1].sequence->id, 2u);
  EXPECT_EQ(chunks[1].count, 7);
}

TEST(Scheduler, ARequestIsAdmittedWhenItsPromptFitsWithABlockToSpare) {
  Scheduler scheduler(kOptions);
  scheduler.add(sequence(1, 16, 100));  // 8 blocks in the end
  scheduler.add(sequence(2, 90, 4));    // 6 blocks: 1 is left to spare
  scheduler.add(sequence(3, 1, 4));     // no block to spare
  scheduler.next_batch();
  EXPECT_EQ(scheduler.running(), 2);
  EXPECT_EQ(scheduler.waiting(), 1);
  EXPECT_EQ(scheduler.cache().blocks().available_blocks(), 1);
}

TEST(Scheduler, ASmallRequestOvertakesOneThatDoesNotFitUntilItHasBeenOvertakenOften) {
  SchedulerOptions options = kOptions;
  options.max_overtaken = 3;
  Scheduler scheduler(options);
  scheduler.add(sequence(1, 60, 60));  // 4 blocks, and does not end here
  scheduler.next_batch();
  scheduler.add(sequence(2, 80, 4));  // 5 blocks: has to wait
  for (Engine::RequestId id = 3; id <= 5; ++id) {
    scheduler.add(sequence(id, 3, 2));
    scheduler.next_batch();
    EXPECT_EQ(scheduler.running(), 2);
    EXPECT_NE(scheduler.remove(id), nullptr);
  }
  scheduler.add(sequence(6, 3, 2));
  scheduler.next_batch();
  EXPECT_EQ(scheduler.running(), 1);
  scheduler.remove(1);
  scheduler.next_batch();
  EXPECT_EQ(scheduler.running(), 2);
  EXPECT_EQ(scheduler.waiting(), 0);
}

TEST(Scheduler, PreemptsTheYoungestWhenBlocksRunOutAndComputesItsTokensAgain) {
  SchedulerOptions options = kOptions;
  options.blocks = 4;
  options.max_batch_tokens = 64;
  options.share_prefixes = false;
  Scheduler scheduler(options);
  scheduler.add(sequence(1, 15, 50));
  scheduler.add(sequence(2, 30, 20));
  run(scheduler, scheduler.next_batch());  // 1 + 2 blocks
  while (scheduler.running() == 2) run(scheduler, scheduler.next_batch());
  EXPECT_EQ(scheduler.preempted(), 1);
  EXPECT_EQ(scheduler.counts().preemptions, 1);
  EXPECT_EQ(scheduler.ids(), (std::vector<Engine::RequestId>{1, 2}));

  scheduler.remove(1);
  const auto chunks = scheduler.next_batch();
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].sequence->id, 2u);
  EXPECT_EQ(chunks[0].begin, 0);
  EXPECT_EQ(chunks[0].count, chunks[0].sequence->size());
  EXPECT_GT(chunks[0].sequence->new_tokens(), 0);
  EXPECT_TRUE(chunks[0].last);
  const std::int64_t again = chunks[0].count - 1;  // the last one had not run
  run(scheduler, chunks);
  EXPECT_EQ(scheduler.counts().computed_tokens - scheduler.counts().useful_tokens, again);
  EXPECT_EQ(scheduler.preempted(), 0);
}

TEST(Scheduler, ASecondRequestComputesOnlyWhatFollowsTheCommonBeginning) {
  Scheduler scheduler({.max_sequences = 4, .max_batch_tokens = 2048, .block_size = 32, .blocks = 256});
  scheduler.add(sequence(1, 1010, 4));
  run(scheduler, scheduler.next_batch());
  scheduler.remove(1);
  EXPECT_EQ(scheduler.cache().blocks().used_blocks(), 0);

  auto second = sequence(2, 1010, 4);
  std::fill(second->tokens.begin() + 1000, second->tokens.end(), 8);
  scheduler.add(std::move(second));
  const auto chunks = scheduler.next_batch();
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].begin, 992);  // 31 blocks
  EXPECT_EQ(chunks[0].count, 18);
  EXPECT_EQ(scheduler.cache().prefix_counts().hits, 31);
  EXPECT_EQ(scheduler.cache().prefix_counts().tokens_saved, 992);
}

TEST(Scheduler, LeavesTheLastTokenOfACachedPromptToCompute) {
  Scheduler scheduler({.max_sequences = 4, .max_batch_tokens = 64, .block_size = 16, .blocks = 8});
  scheduler.add(sequence(1, 32, 4));
  run(scheduler, scheduler.next_batch());
  scheduler.remove(1);
  scheduler.add(sequence(2, 32, 4));
  const auto chunks = scheduler.next_batch();
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].begin, 16);
  EXPECT_EQ(chunks[0].count, 16);
}

TEST(Scheduler, RequestsThatComputeTheSameAtTheSameTimeEndUpWithOneCopy) {
  Scheduler scheduler({.max_sequences = 4, .max_batch_tokens = 64, .block_size = 16, .blocks = 8});
  scheduler.add(sequence(1, 20, 4));
  scheduler.add(sequence(2, 20, 4));
  const auto chunks = scheduler.next_batch();
  EXPECT_EQ(scheduler.cache().blocks().used_blocks(), 4);
  run(scheduler, chunks);
  EXPECT_EQ(scheduler.cache().blocks().used_blocks(), 3);
  EXPECT_EQ(chunks[0].sequence->blocks[0], chunks[1].sequence->blocks[0]);
  EXPECT_NE(chunks[0].sequence->blocks[1], chunks[1].sequence->blocks[1]);
}

TEST(Scheduler, OfRequestsThatComeTogetherOneComputesTheirCommonBeginning) {
  Scheduler scheduler({.max_sequences = 4, .max_batch_tokens = 64, .block_size = 16, .blocks = 64});
  for (Engine::RequestId id = 1; id <= 3; ++id) {
    auto copy = sequence(id, 130, 1);
    copy->tokens.back() = static_cast<std::int32_t>(id);
    scheduler.add(std::move(copy));
  }
  while (scheduler.running() + scheduler.waiting() > 0) {
    const auto chunks = scheduler.next_batch();
    run(scheduler, chunks);
    for (const Chunk& chunk : chunks) {
      if (chunk.last) scheduler.remove(chunk.sequence->id);
    }
  }
  EXPECT_EQ(scheduler.counts().computed_tokens, 130 + 2 + 2);
  EXPECT_EQ(scheduler.cache().prefix_counts().tokens_saved, 2 * 128);
  EXPECT_EQ(scheduler.cache().prefix_counts().misses, 8);
}

TEST(Scheduler, RequestsOfOtherSaltsComputeEverythingThemselves) {
  Scheduler scheduler({.max_sequences = 4, .max_batch_tokens = 64, .block_size = 16, .blocks = 8});
  scheduler.add(sequence(1, 20, 4));
  run(scheduler, scheduler.next_batch());
  scheduler.remove(1);
  auto other = sequence(2, 20, 4);
  other->salt = "another tenant";
  scheduler.add(std::move(other));
  EXPECT_EQ(scheduler.next_batch().back().begin, 0);
}

TEST(Scheduler, CutsThePromptSmallerWhenStepsWithManyOfItsTokensAreSlow) {
  Scheduler scheduler({.max_sequences = 4, .max_batch_tokens = 512, .block_size = 16, .blocks = 256});
  scheduler.add(sequence(1, 4, 400));
  run(scheduler, scheduler.next_batch());
  const auto chunk_after = [&](Engine::RequestId id, double seconds_per_token) {
    scheduler.add(sequence(id, 1000, 4));
    std::int64_t last = 0;
    for (int step = 0; step < 20; ++step) {
      const auto chunks = scheduler.next_batch();
      const std::int64_t count = chunks.size() > 1 ? chunks[1].count : 0;
      run(scheduler, chunks);
      scheduler.step_took(0.010 + seconds_per_token * static_cast<double>(count));
      if (count > 0) last = count;  // else a step was measured without
    }
    scheduler.remove(id);
    return last;
  };
  for (int i = 0; i < 3; ++i) {
    run(scheduler, scheduler.next_batch());
    scheduler.step_took(0.010);
  }
  EXPECT_NEAR(static_cast<double>(chunk_after(2, 0.0005)), 20, 2);
  EXPECT_EQ(chunk_after(3, 0.0100), Pacing::kLeastTokens);
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
  EXPECT_EQ(scheduler.cache().blocks().used_blocks(), 2);
  EXPECT_NE(scheduler.remove(1), nullptr);
  EXPECT_EQ(scheduler.cache().blocks().used_blocks(), 0);
  EXPECT_EQ(scheduler.remove(1), nullptr);
  EXPECT_TRUE(scheduler.next_batch().empty());
}

}  // namespace
}  // namespace ganglion::engine
