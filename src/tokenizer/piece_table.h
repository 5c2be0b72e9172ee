// A flat hash table from the bytes of a piece of text to the token that it is. Built once; then every method is
// thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ganglion::tokenizer {

inline constexpr std::int32_t kNoToken = -1;

// A hash of all of `bytes`, good in its low and its high bits.
std::uint64_t hash_bytes(std::string_view bytes) noexcept;

class PieceTable {
 public:
  // Of two pieces with the same bytes the first counts. Together they must be below 4 GiB.
  void add(std::string_view piece, std::int32_t id);
  // kNoToken when no token has these bytes.
  std::int32_t find(std::string_view piece) const noexcept;
  // Of the longest piece, in bytes.
  std::size_t longest() const noexcept { return longest_; }

 private:
  struct Slot {
    std::uint32_t tag = 0;  // high bits of the hash
    std::int32_t id = kNoToken;
    std::uint32_t start = 0;
    std::uint32_t length = 0;
  };

  std::size_t slot_of(std::string_view piece, std::uint64_t hash) const noexcept;
  void grow();

  std::string bytes_;        // all pieces, one after the other
  std::vector<Slot> slots_;  // open addressing, size a power of two, at most half full
  std::size_t count_ = 0;
  std::size_t longest_ = 0;
};

}  // namespace ganglion::tokenizer
