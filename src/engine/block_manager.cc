#include "engine/block_manager.h"

#include <algorithm>
#include <functional>

#include "base/error.h"

namespace ganglion::engine {

BlockManager::BlockManager(std::int64_t blocks) : blocks_(static_cast<std::size_t>(blocks)) {
  for (std::int64_t i = 0; i < blocks; ++i) free_.push_back(static_cast<BlockId>(i));
}

std::optional<BlockId> BlockManager::try_take() {
  BlockId taken = -1;
  if (!free_.empty()) {
    std::pop_heap(free_.begin(), free_.end(), std::greater<>());
    taken = free_.back();
    free_.pop_back();
  } else if (oldest_ >= 0) {
    taken = oldest_;
    unlink(taken);
  } else {
    return std::nullopt;
  }
  Block& block = blocks_[static_cast<std::size_t>(taken)];
  block.readers = 1;
  block.worth_keeping = false;
  return taken;
}

void BlockManager::share(BlockId block) {
  GANGLION_CHECK(block >= 0 && block < total_blocks());
  Block& shared = blocks_[static_cast<std::size_t>(block)];
  GANGLION_CHECK(shared.readers > 0 || shared.worth_keeping);
  if (shared.readers++ == 0) unlink(block);
}

void BlockManager::release(BlockId block) {
  Block& released = used(block);
  if (--released.readers > 0) return;
  if (released.worth_keeping) {
    link_newest(block);
    return;
  }
  free_.push_back(block);
  std::push_heap(free_.begin(), free_.end(), std::greater<>());
}

void BlockManager::keep(BlockId block) { used(block).worth_keeping = true; }

BlockManager::Block& BlockManager::used(BlockId block) {
  GANGLION_CHECK(block >= 0 && block < total_blocks() && readers(block) > 0);
  return blocks_[static_cast<std::size_t>(block)];
}

void BlockManager::link_newest(BlockId block) {
  Block& added = blocks_[static_cast<std::size_t>(block)];
  added.older = newest_;
  added.newer = -1;
  (newest_ >= 0 ? blocks_[static_cast<std::size_t>(newest_)].newer : oldest_) = block;
  newest_ = block;
  ++kept_;
}

void BlockManager::unlink(BlockId block) {
  const Block& gone = blocks_[static_cast<std::size_t>(block)];
  (gone.older >= 0 ? blocks_[static_cast<std::size_t>(gone.older)].newer : oldest_) = gone.newer;
  (gone.newer >= 0 ? blocks_[static_cast<std::size_t>(gone.newer)].older : newest_) = gone.older;
  --kept_;
}

}  // namespace ganglion::engine
