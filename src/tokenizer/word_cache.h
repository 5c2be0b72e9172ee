// The tokens of words met before, for the length of one encode call: texts repeat their words. It is direct-mapped and
// of a fixed size, so a text of ever new words costs no more memory than any other; and it belongs to one call, so
// nothing is shared between threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ganglion::tokenizer {

class WordCache {
 public:
  static constexpr std::size_t kMaxWord = 22;  // bytes
  static constexpr std::size_t kMaxIds = 9;

  // Sized for a text of so many bytes; a short text gets none.
  explicit WordCache(std::size_t text_bytes);

  bool holds(std::string_view word) const noexcept { return !slots_.empty() && word.size() <= kMaxWord; }
  // Appends the word's tokens; false when it is not there. `word` must be one that it holds().
  bool find(std::string_view word, std::vector<std::int32_t>& out);
  // Keeps the tokens of the word that find() missed last, in place of what was in its slot.
  void put(std::span<const std::int32_t> ids) noexcept;

 private:
  using Key = std::array<std::uint64_t, 3>;  // the word, padded with zeros, and its length in the last byte

  struct alignas(64) Slot {
    Key key = {};  // of no word while it is all zero
    std::array<std::int32_t, kMaxIds> ids;
    std::uint32_t count;
  };

  std::vector<Slot> slots_;  // size a power of two
  Key missed_ = {};
  std::size_t missed_slot_ = 0;
};

}  // namespace ganglion::tokenizer
