#include "engine/paged_cache.h"

#include <utility>

#include "base/error.h"
#include "planner/plan.h"

namespace ganglion::engine {

PagedCache::PagedCache(const PagedCacheOptions& options)
    : options_(options), blocks_(options.blocks), names_(options.blocks) {}

std::span<const std::int32_t> PagedCache::tokens_of(const Sequence& sequence, std::size_t block) const {
  const auto size = static_cast<std::size_t>(options_.block_size);
  return std::span(sequence.tokens).subspan(block * size, size);
}

BlockId PagedCache::take() {
  const auto block = blocks_.try_take();
  GANGLION_CHECK(block.has_value());
  names_.forget(*block);  // it was kept for what it held
  return *block;
}

bool PagedCache::try_admit(Sequence& sequence, std::int64_t spare) {
  GANGLION_CHECK(sequence.blocks.empty() && sequence.computed == 0);
  const std::int64_t wanted = planner::blocks_for(sequence.size(), options_.block_size);
  found_.clear();
  const std::int64_t sharable = options_.share_prefixes ? (sequence.size() - 1) / options_.block_size : 0;
  std::int64_t revived = 0;  // kept blocks that this reads again: not available any more
  PrefixCache::Link link = PrefixCache::kStart;
  for (std::int64_t i = 0; i < sharable; ++i) {
    const auto found = names_.find(link, tokens_of(sequence, static_cast<std::size_t>(i)), sequence.salt);
    if (!found) break;
    link = found->link;
    revived += blocks_.readers(found->block) == 0 ? 1 : 0;
    found_.push_back(*found);
  }
  const auto shared = static_cast<std::int64_t>(found_.size());
  if (wanted - shared + revived + spare > blocks_.available_blocks()) return false;

  sequence.blocks.reserve(static_cast<std::size_t>(wanted));
  for (const PrefixCache::Found& found : found_) {
    blocks_.share(found.block);
    sequence.blocks.push_back(found.block);
  }
  for (std::int64_t i = shared; i < wanted; ++i) sequence.blocks.push_back(take());
  sequence.named_blocks = found_.size();
  sequence.last_link = link;
  for (std::int64_t i = 0; i < shared; ++i) count_hit(sequence, sequence.computed += options_.block_size);
  return true;
}

void PagedCache::count_hit(const Sequence& sequence, std::int64_t end) {
  if (end <= sequence.most_computed) return;
  ++counts_.hits;
  counts_.tokens_saved += options_.block_size;
}

void PagedCache::skip_cached(Sequence& sequence) {
  if (!options_.share_prefixes) return;
  std::size_t& at = sequence.named_blocks;
  while (sequence.computed == static_cast<std::int64_t>(at) * options_.block_size &&
         sequence.computed + options_.block_size < sequence.size()) {
    const auto found = names_.find(sequence.last_link, tokens_of(sequence, at), sequence.salt);
    if (!found) return;
    blocks_.share(found->block);
    blocks_.release(std::exchange(sequence.blocks[at], found->block));
    sequence.last_link = found->link;
    ++at;
    count_hit(sequence, sequence.computed += options_.block_size);
  }
}

bool PagedCache::try_grow(Sequence& sequence) {
  const std::int64_t wanted = planner::blocks_for(sequence.size(), options_.block_size);
  const std::int64_t more = wanted - static_cast<std::int64_t>(sequence.blocks.size());
  if (more > blocks_.available_blocks()) return false;
  for (std::int64_t i = 0; i < more; ++i) sequence.blocks.push_back(take());
  return true;
}

void PagedCache::computed(Sequence& sequence, std::int64_t count) {
  sequence.computed += count;
  if (!options_.share_prefixes) return;
  const auto full = static_cast<std::size_t>(sequence.computed / options_.block_size);
  const auto prompt = static_cast<std::int64_t>(sequence.request.prompt.size());
  for (std::size_t& at = sequence.named_blocks; at < full; ++at) {
    BlockId& block = sequence.blocks[at];
    const auto tokens = tokens_of(sequence, at);
    const std::int64_t end = static_cast<std::int64_t>(at + 1) * options_.block_size;
    counts_.misses += end <= prompt && end > sequence.most_computed ? 1 : 0;
    if (const auto found = names_.find(sequence.last_link, tokens, sequence.salt)) {
      blocks_.share(found->block);
      blocks_.release(std::exchange(block, found->block));
      sequence.last_link = found->link;
    } else {
      sequence.last_link = names_.add(sequence.last_link, tokens, sequence.salt, block);
      blocks_.keep(block);
    }
  }
}

void PagedCache::release(Sequence& sequence) {
  // The last first: the beginning, which more texts share, outlives what follows it.
  for (auto block = sequence.blocks.rbegin(); block != sequence.blocks.rend(); ++block) blocks_.release(*block);
  sequence.blocks.clear();
  sequence.named_blocks = 0;
  sequence.last_link = PrefixCache::kStart;
  sequence.computed = 0;
}

}  // namespace ganglion::engine
