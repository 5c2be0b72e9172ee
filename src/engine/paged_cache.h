// The blocks of sequences: taken as a sequence grows, shared when another has computed the same beginning, given back.
// Bookkeeping on top of BlockManager (who reads a block) and PrefixCache (what it holds); K and V themselves are the
// executable's. The engine thread owns it.
//
// Only full blocks are shared, so a shared block is never written. That a block computed for another request holds
// the very bits this one would compute is the row contract's doing (decisions/prefix-cache.md).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/block_manager.h"
#include "engine/prefix_cache.h"
#include "engine/sequence.h"

namespace ganglion::engine {

struct PagedCacheOptions {
  std::int64_t block_size = 1;  // positions
  std::int64_t blocks = 1;
  bool share_prefixes = true;
};

// Counts since the start. What a request computes again after a preemption, or finds again, is not counted.
struct PrefixCounts {
  std::int64_t hits = 0;          // full blocks that were there
  std::int64_t misses = 0;        // full blocks of prompts that had to be computed
  std::int64_t tokens_saved = 0;  // in the hits
};

class PagedCache {
 public:
  explicit PagedCache(const PagedCacheOptions& options);

  // Gives a sequence without blocks those for all its tokens, what is cached of them among them, and sets `computed`
  // past the cached ones; at least the last token is left to compute, since its logits are wanted. False, and nothing
  // changes, when fewer than `spare` would then be available to others.
  bool try_admit(Sequence& sequence, std::int64_t spare);
  // Passes over full blocks, next to be computed, that others have computed since it was admitted: of requests with one
  // beginning that come together, one computes it.
  void skip_cached(Sequence& sequence);
  // Room for its tokens; false, and nothing changes, when a block is wanted and none is available.
  bool try_grow(Sequence& sequence);
  // `count` more tokens are in the cache. Full blocks get their name; one that holds what another already does is given
  // back for that one.
  void computed(Sequence& sequence, std::int64_t count);
  // Takes all blocks away, and with them what was computed.
  void release(Sequence& sequence);

  const BlockManager& blocks() const noexcept { return blocks_; }
  const PrefixCounts& prefix_counts() const noexcept { return counts_; }

 private:
  BlockId take();
  void count_hit(const Sequence& sequence, std::int64_t end);
  std::span<const std::int32_t> tokens_of(const Sequence& sequence, std::size_t block) const;

  const PagedCacheOptions options_;
  BlockManager blocks_;
  PrefixCache names_;
  PrefixCounts counts_;
  std::vector<PrefixCache::Found> found_;  // in try_admit
};

}  // namespace ganglion::engine
