// A request on its way through the engine: its tokens, how many of them are in the cache, and where.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "engine/block_manager.h"
#include "engine/engine.h"

namespace ganglion::engine {

struct Sequence {
  Engine::RequestId id = 0;
  Request request;
  std::uint64_t seed = 0;
  std::vector<std::int32_t> tokens;  // the prompt, then what was generated
  std::int64_t computed = 0;         // of these, how many have K and V in the cache
  std::vector<BlockId> blocks;       // for prompt and answer together, held from admission to the end
  std::int32_t row = -1;             // of the block table, while it runs
  std::chrono::steady_clock::time_point submitted, last_token;

  std::int64_t size() const { return static_cast<std::int64_t>(tokens.size()); }
  std::int64_t new_tokens() const { return size() - static_cast<std::int64_t>(request.prompt.size()); }
  // Tokens whose K and V are wanted before the next one can be sampled.
  std::int64_t pending() const { return size() - computed; }
  // Positions it can come to occupy: the last new token is never fed back.
  std::int64_t most_positions() const {
    return static_cast<std::int64_t>(request.prompt.size()) + request.max_new_tokens - 1;
  }
};

}  // namespace ganglion::engine
