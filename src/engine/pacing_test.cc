#include "engine/pacing.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ganglion::engine {
namespace {

// A machine on which a step takes 10 ms, and 1 ms more for each sequence and `per_token` for each prompt token.
double seconds_of(std::int64_t decoding, std::int64_t prompt_tokens, double per_token) {
  return 0.010 + 0.001 * static_cast<double>(decoding) + per_token * static_cast<double>(prompt_tokens);
}

TEST(Pacing, BeginsWithFewTokensAndComesToStepsOfTheStretchItWants) {
  Pacing pacing;
  constexpr double kPerToken = 0.0001;
  pacing.observe(4, 0, seconds_of(4, 0, kPerToken));
  double last = 0;
  for (int i = 0; i < 60; ++i) {
    if (i == 0 || i % 20 == 19) pacing.observe(4, 0, seconds_of(4, 0, kPerToken));
    const std::int64_t tokens = pacing.prompt_tokens(4);
    if (i == 0) {
      EXPECT_EQ(tokens, Pacing::kLeastTokens);
    }
    last = seconds_of(4, tokens, kPerToken);
    EXPECT_LE(last, Pacing::kStretch * 1.01 * seconds_of(4, 0, kPerToken));
    pacing.observe(4, tokens, last);
  }
  EXPECT_GE(last, Pacing::kStretch * 0.9 * seconds_of(4, 0, kPerToken));
}

TEST(Pacing, NeverAsksForFewerThanTheLeast) {
  Pacing pacing;
  for (int i = 0; i < 20; ++i) {
    for (int n = 0; n < 2; ++n) pacing.observe(1, 0, 0.001);
    pacing.observe(1, pacing.prompt_tokens(1), 1.0);
  }
  EXPECT_EQ(pacing.prompt_tokens(1), Pacing::kLeastTokens);
}

TEST(Pacing, GrowsAtMostTwofoldSoThatOneMeasurementCannotMakeAHugeStep) {
  Pacing pacing;
  for (int i = 0; i < 2; ++i) pacing.observe(1, 0, 10.0);  // the machine was asleep
  std::int64_t before = Pacing::kLeastTokens;
  for (int i = 0; i < 5; ++i) {
    const std::int64_t tokens = pacing.prompt_tokens(1);
    EXPECT_LE(tokens, 2 * before);
    pacing.observe(1, tokens, seconds_of(1, tokens, 0.0001));
    before = tokens;
  }
}

TEST(Pacing, OneLongStepDoesNotMakeLongerOnes) {
  Pacing pacing;
  const auto decode = [&](double seconds) { pacing.observe(2, 0, seconds); };
  decode(0.5);  // the first of all
  decode(0.010);
  for (int i = 0; i < 20; ++i) {
    const std::int64_t tokens = pacing.prompt_tokens(2);
    pacing.observe(2, tokens, 0.010 + 0.001 * static_cast<double>(tokens));
  }
  EXPECT_NEAR(static_cast<double>(pacing.prompt_tokens(2)), 10, 1);
  decode(0.5);
  EXPECT_NEAR(static_cast<double>(pacing.prompt_tokens(2)), 12, 1);
}

TEST(Pacing, FollowsAMachineThatBecomesSlower) {
  Pacing pacing;
  const auto settle = [&](double per_token) {
    for (int i = 0; i < 100; ++i) {
      pacing.observe(2, 0, seconds_of(2, 0, per_token));
      const std::int64_t tokens = pacing.prompt_tokens(2);
      pacing.observe(2, tokens, seconds_of(2, tokens, per_token));
    }
    return pacing.prompt_tokens(2);
  };
  const std::int64_t fast = settle(0.0001);
  const std::int64_t slow = settle(0.0004);
  EXPECT_NEAR(static_cast<double>(fast) / static_cast<double>(slow), 4, 1);
}

TEST(Pacing, MeasuresAStepWithoutPromptTokensFirstAndAgainAfterAWhile) {
  // Many prompts wait from the beginning; their requests come to decode one after the other.
  Pacing pacing;
  constexpr double kPerToken = 0.002;
  for (int i = 0; i < 5; ++i) pacing.observe(0, 512, seconds_of(0, 512, kPerToken));
  std::int64_t without = 0;
  for (std::int64_t decoding = 1; decoding <= 32; ++decoding) {
    for (int i = 0; i < 20; ++i) {
      const std::int64_t tokens = pacing.prompt_tokens(decoding);
      const double seconds = seconds_of(decoding, tokens, kPerToken);
      EXPECT_LE(seconds, std::max(2.1 * seconds_of(decoding, 0, kPerToken), seconds_of(decoding, 8, kPerToken)));
      pacing.observe(decoding, tokens, seconds);
      without += tokens == 0 ? 1 : 0;
    }
  }
  EXPECT_GE(without, 2 * 6);       // each power of two
  EXPECT_LE(without, 2 * 6 + 20);  // and one in 33 later
}

TEST(Pacing, SizesTheChunkByTheBatchThatDecodes) {
  Pacing pacing;
  for (int i = 0; i < 50; ++i) {
    for (const std::int64_t decoding : {1, 64}) {
      pacing.observe(decoding, 0, seconds_of(decoding, 0, 0.0005));
      const std::int64_t tokens = pacing.prompt_tokens(decoding);
      pacing.observe(decoding, tokens, seconds_of(decoding, tokens, 0.0005));
    }
  }
  EXPECT_GT(pacing.prompt_tokens(64), 4 * pacing.prompt_tokens(1));
}

}  // namespace
}  // namespace ganglion::engine
