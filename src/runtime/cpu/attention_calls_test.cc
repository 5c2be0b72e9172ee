#include "runtime/cpu/attention_calls.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace ganglion::runtime::cpu {
namespace {

// Three tokens that decode, a prompt of five, two that decode.
struct Step {
  std::vector<std::int32_t> sequence{4, 0, 2, 1, 1, 1, 1, 1, 3, 5};
  std::vector<std::int32_t> position{9, 700, 3, 30, 31, 32, 33, 34, 0, 200};
  AttentionTokens tokens(std::int64_t kv_heads) const {
    return {sequence.data(), position.data(), static_cast<std::int64_t>(sequence.size()), kv_heads};
  }
};

std::vector<AttentionCall> calls(const AttentionTokens& tokens, std::int64_t begin, std::int64_t end) {
  std::vector<AttentionCall> out;
  for_attention_calls(tokens, begin, end, [&](const AttentionCall& call) { out.push_back(call); });
  return out;
}

TEST(AttentionCalls, DoEveryTokenAndHeadOnceHoweverTheUnitsAreShared) {
  const Step step;
  for (const std::int64_t kv_heads : {1, 3, 8}) {
    const AttentionTokens tokens = step.tokens(kv_heads);
    for (const int shares : {1, 2, 3, 7, 50, 1000}) {
      std::vector<int> done(static_cast<std::size_t>(tokens.count * kv_heads));
      for (int share = 0; share < shares; ++share) {
        const Range range = split_range(tokens.units(), shares, share);
        for (const AttentionCall& call : calls(tokens, range.begin, range.end)) {
          for (std::int64_t token = call.tokens.begin; token < call.tokens.end; ++token) {
            for (std::int64_t head = call.kv_heads.begin; head < call.kv_heads.end; ++head) {
              ++done[static_cast<std::size_t>(token * kv_heads + head)];
            }
          }
        }
      }
      EXPECT_EQ(done, std::vector<int>(done.size(), 1)) << kv_heads << " heads, " << shares << " shares";
    }
  }
}

TEST(AttentionCalls, AreOneForTokensAloneAndOneForEveryHeadOfAPrompt) {
  const Step step;
  const AttentionTokens tokens = step.tokens(3);
  const std::vector<AttentionCall> all = calls(tokens, 0, tokens.units());
  ASSERT_EQ(all.size(), 5u);
  const auto is = [](const AttentionCall& call, Range of_tokens, Range of_heads) {
    return call.tokens.begin == of_tokens.begin && call.tokens.end == of_tokens.end &&
           call.kv_heads.begin == of_heads.begin && call.kv_heads.end == of_heads.end;
  };
  EXPECT_TRUE(is(all[0], {0, 3}, {0, 3}));
  for (std::int64_t head = 0; head < 3; ++head) EXPECT_TRUE(is(all[head + 1], {3, 8}, {head, head + 1})) << head;
  EXPECT_TRUE(is(all[4], {8, 10}, {0, 3}));
}

TEST(AttentionCalls, ShareALongContextAmongThreads) {
  const Step step;
  const AttentionTokens tokens = step.tokens(8);
  std::vector<std::int64_t> units(2);
  for (int share = 0; share < 2; ++share) {
    const Range range = split_range(tokens.units(), 2, share);
    for (const AttentionCall& call : calls(tokens, range.begin, range.end)) {
      for (std::int64_t token = call.tokens.begin; token < call.tokens.end; ++token) {
        units[share] += (call.kv_heads.end - call.kv_heads.begin) * tokens.units(token);
      }
    }
  }
  EXPECT_NEAR(units[0], units[1], 2 * 716) << "one head of the longest is the most that they may differ by";
}

}  // namespace
}  // namespace ganglion::runtime::cpu
