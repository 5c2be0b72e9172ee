#include "engine/block_manager.h"

#include <algorithm>
#include <functional>

#include "base/error.h"

namespace ganglion::engine {

BlockManager::BlockManager(std::int64_t blocks) : in_use_(static_cast<std::size_t>(blocks), false) {
  for (std::int64_t i = 0; i < blocks; ++i) free_.push_back(static_cast<BlockId>(i));
}

std::optional<std::vector<BlockId>> BlockManager::try_allocate(std::int64_t count) {
  if (count > free_blocks()) return std::nullopt;
  std::vector<BlockId> out;
  for (std::int64_t i = 0; i < count; ++i) {
    std::pop_heap(free_.begin(), free_.end(), std::greater<>());
    out.push_back(free_.back());
    in_use_[static_cast<std::size_t>(free_.back())] = true;
    free_.pop_back();
  }
  return out;
}

void BlockManager::release(const std::vector<BlockId>& blocks) {
  for (const BlockId block : blocks) {
    GANGLION_CHECK(block >= 0 && static_cast<std::size_t>(block) < in_use_.size() &&
                   in_use_[static_cast<std::size_t>(block)]);
    in_use_[static_cast<std::size_t>(block)] = false;
    free_.push_back(block);
    std::push_heap(free_.begin(), free_.end(), std::greater<>());
  }
}

}  // namespace ganglion::engine
