// Who reads which block of the paged KV cache. A block is *used* while a sequence reads it, *kept* when nobody does but
// its content may be wanted again, else *free*. Pure bookkeeping, constant time but for the free list (a heap); the
// engine thread owns it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace ganglion::engine {

using BlockId = std::int32_t;

class BlockManager {
 public:
  explicit BlockManager(std::int64_t blocks);

  // A block with one reader, to be written: the lowest free one, else the kept one that was released first, whose
  // content is gone with this. nullopt: every block is used.
  std::optional<BlockId> try_take();
  // One more reader of a block that is used or kept (Error{kInternal} otherwise).
  void share(BlockId block);
  // One reader less (Error{kInternal} when there is none). After the last one the block is kept when it is worth
  // keeping, else free.
  void release(BlockId block);
  // The content of a used block is worth keeping, until the block is taken anew.
  void keep(BlockId block);

  std::int32_t readers(BlockId block) const { return blocks_[static_cast<std::size_t>(block)].readers; }
  std::int64_t free_blocks() const noexcept { return static_cast<std::int64_t>(free_.size()); }
  std::int64_t kept_blocks() const noexcept { return kept_; }
  std::int64_t used_blocks() const noexcept { return total_blocks() - available_blocks(); }
  // How often try_take() succeeds from here on.
  std::int64_t available_blocks() const noexcept { return free_blocks() + kept_; }
  std::int64_t total_blocks() const noexcept { return static_cast<std::int64_t>(blocks_.size()); }

 private:
  struct Block {
    std::int32_t readers = 0;
    bool worth_keeping = false;
    BlockId older = -1, newer = -1;  // neighbours among the kept
  };
  Block& used(BlockId block);
  void link_newest(BlockId block);
  void unlink(BlockId block);

  std::vector<Block> blocks_;
  std::vector<BlockId> free_;  // a heap, the lowest on top
  BlockId oldest_ = -1, newest_ = -1;
  std::int64_t kept_ = 0;
};

}  // namespace ganglion::engine
