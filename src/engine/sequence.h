// A request on its way through the engine: its tokens, how many of them are in the cache, and where.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/block_manager.h"
#include "engine/engine.h"
#include "engine/prefix_cache.h"

namespace ganglion::engine {

struct Sequence {
  Engine::RequestId id = 0;  // ascends in the order of arrival
  Request request;
  std::uint64_t seed = 0;
  std::string salt;                  // of its cached blocks: what else but the tokens K and V depend on, and the tenant
  std::vector<std::int32_t> tokens;  // the prompt, then what was generated
  std::int64_t computed = 0;         // of these, how many have K and V in the cache
  std::int64_t most_computed = 0;    // before it was preempted, if it was
  std::vector<BlockId> blocks;       // while it runs
  std::size_t named_blocks = 0;      // of these, how many the prefix cache knows
  PrefixCache::Link last_link = PrefixCache::kStart;  // of the last of them
  std::int32_t row = -1;                              // of the block table, while it runs
  std::int64_t overtaken = 0;                         // younger ones admitted while it waited
  bool preempted = false;                             // now waiting, and ran before
  std::chrono::steady_clock::time_point submitted, last_token;

  std::int64_t size() const { return static_cast<std::int64_t>(tokens.size()); }
  std::int64_t new_tokens() const { return size() - static_cast<std::int64_t>(request.prompt.size()); }
  // Tokens whose K and V are wanted before the next one can be sampled.
  std::int64_t pending() const { return size() - computed; }
  // Positions it can come to occupy: the last new token is never fed back.
  std::int64_t most_positions() const {
    return static_cast<std::int64_t>(request.prompt.size()) + request.max_new_tokens - 1;
  }
  // One token at a time from here on.
  bool decodes() const { return pending() == 1 && computed > 0; }
};

}  // namespace ganglion::engine
