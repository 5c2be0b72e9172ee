// Which blocks of the paged KV cache are free. Pure bookkeeping; the engine thread owns it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace ganglion::engine {

using BlockId = std::int32_t;

class BlockManager {
 public:
  explicit BlockManager(std::int64_t blocks);

  // `count` blocks, lowest numbers first; nullopt when there are fewer, and then nothing is taken.
  std::optional<std::vector<BlockId>> try_allocate(std::int64_t count);
  // Gives blocks back; each must be allocated (Error{kInternal} otherwise).
  void release(const std::vector<BlockId>& blocks);

  std::int64_t free_blocks() const noexcept { return static_cast<std::int64_t>(free_.size()); }
  std::int64_t total_blocks() const noexcept { return static_cast<std::int64_t>(in_use_.size()); }

 private:
  std::vector<BlockId> free_;  // a heap, the lowest on top
  std::vector<bool> in_use_;
};

}  // namespace ganglion::engine
