// How threads share the attention of a step. Its units are the cached positions that a token reads for a cached head,
// so that shares are alike whatever the contexts of the tokens are; a share is few calls of the kernel, each of what is
// best read together.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/thread_pool.h"

namespace ganglion::runtime::cpu {

// The tokens of a step, and the cached heads that every one of them reads.
struct AttentionTokens {
  const std::int32_t* sequence;  // [count]
  const std::int32_t* position;  // [count]
  std::int64_t count;
  std::int64_t kv_heads;

  // Units of a token for one cached head: its positions, and about what it takes to begin and to end.
  std::int64_t units(std::int64_t token) const noexcept { return std::max(position[token], 0) + 16; }
  // Of all tokens for all cached heads.
  std::int64_t units() const noexcept {
    std::int64_t sum = 0;
    for (std::int64_t token = 0; token < count; ++token) sum += units(token);
    return sum * kv_heads;
  }
};

struct AttentionCall {
  Range tokens;
  Range kv_heads;
};

// Calls call(AttentionCall) for every (token, cached head) whose first unit is in [begin, end). Neighbouring tokens of
// one sequence share what they read of a head: one head after another is done for all of them. Tokens without such a
// neighbour read all heads of a block, which lie side by side in memory: one token after another is done, whole ones
// in one call.
template <typename Call>
void for_attention_calls(const AttentionTokens& tokens, std::int64_t begin, std::int64_t end, const Call& call) {
  const std::int64_t heads = tokens.kv_heads;
  AttentionCall whole{{0, 0}, {0, heads}};
  const auto call_whole = [&] {
    if (whole.tokens.begin < whole.tokens.end) call(whole);
    whole.tokens = {0, 0};
  };
  std::int64_t at = 0;  // units before token `first`
  for (std::int64_t first = 0, last = 0; first < tokens.count && at < end; first = last) {
    std::int64_t units = 0;  // of one head
    for (; last < tokens.count && tokens.sequence[last] == tokens.sequence[first]; ++last) units += tokens.units(last);
    if (last - first == 1) {
      const auto heads_before = [&](std::int64_t unit) {
        return unit <= at ? 0 : std::min(heads, (unit - at + units - 1) / units);
      };
      const Range part{heads_before(begin), heads_before(end)};
      if (part.begin == 0 && part.end == heads) {
        if (whole.tokens.end != first) call_whole();
        whole.tokens = {whole.tokens.begin < whole.tokens.end ? whole.tokens.begin : first, last};
      } else if (part.begin < part.end) {
        call_whole();
        call(AttentionCall{{first, last}, part});
      }
    } else {
      call_whole();
      for (std::int64_t head = 0; head < heads; ++head) {
        std::int64_t unit = at + head * units;
        if (unit >= end) break;
        if (unit + units <= begin) continue;
        Range part{last, last};
        for (std::int64_t token = first; token < last && unit < end; unit += tokens.units(token++)) {
          if (unit < begin) continue;
          part = {std::min(part.begin, token), token + 1};
        }
        if (part.begin < part.end) call(AttentionCall{part, {head, head + 1}});
      }
    }
    at += units * heads;
  }
  call_whole();
}

}  // namespace ganglion::runtime::cpu
