// Finds a block of K and V by the tokens it was computed from and all tokens before them. Each full block has a *link*,
// a number given once and never again; it is looked up under the link of the block before it and its own tokens, and
// the tokens themselves are compared, so a hash that two keys share costs time and never gives another text's block.
// Bookkeeping only: which blocks exist and who reads them is BlockManager's. The engine thread owns it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/block_manager.h"

namespace ganglion::engine {

class PrefixCache {
 public:
  using Link = std::uint64_t;
  static constexpr Link kStart = 0;  // before the first block
  // Of a key's bytes and a number drawn when the cache is made, so that nobody outside can choose keys that collide.
  using Hash = std::uint64_t (*)(std::string_view bytes, std::uint64_t seed);

  explicit PrefixCache(std::int64_t blocks);
  PrefixCache(std::int64_t blocks, Hash hash);

  struct Found {
    BlockId block = -1;
    Link link = kStart;
  };
  // The block of `tokens` behind `before`; `salt` separates texts that must not share and counts at kStart only, which
  // every chain begins with.
  std::optional<Found> find(Link before, std::span<const std::int32_t> tokens, std::string_view salt) const;
  // Names a block that find() does not find (Error{kInternal} otherwise, or when the block has a name).
  Link add(Link before, std::span<const std::int32_t> tokens, std::string_view salt, BlockId block);
  // The block's content is gone; nothing happens when it has no name.
  void forget(BlockId block);

  std::int64_t size() const noexcept { return static_cast<std::int64_t>(found_.size()); }

 private:
  struct SeededHash {
    Hash hash;
    std::uint64_t seed;
    std::size_t operator()(const std::string& key) const { return hash(key, seed); }
  };
  std::unordered_map<std::string, Found, SeededHash> found_;
  std::vector<const std::string*> key_of_;  // by block; null: no name
  Link next_ = kStart + 1;
};

}  // namespace ganglion::engine
