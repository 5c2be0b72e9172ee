// Byte-pair encoding of one word: its bytes become tokens, and the adjacent pair with the best rank merges until none
// is left. A heap over linked symbols makes it n log n in the word's length, so one unbroken megabyte is no attack.
// There is no cache of words: it would have to be shared and bounded, and the heap is fast enough without.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace ganglion::tokenizer {

// `left` followed by `right` becomes `merged`. A rule's rank is its position in the file; lower ranks merge first.
struct MergeRule {
  std::int32_t left;
  std::int32_t right;
  std::int32_t merged;
};

struct BpeOptions {
  // What a byte without a token becomes; such bytes are left out when there is none.
  std::optional<std::int32_t> unknown = std::nullopt;
  // Neighbouring unknown bytes become one unknown token.
  bool fuse_unknown = false;
  // A whole word that is a token needs no merges (Llama 3 and its kin).
  bool ignore_merges = false;
};

// Counts what encode_word did, for tests of its cost.
struct BpeWork {
  std::uint64_t symbols = 0;
  std::uint64_t heap_operations = 0;
};

class Bpe {
 public:
  // The vocabulary must outlive this. Of two rules for one pair the later one counts.
  Bpe(const Vocabulary& vocabulary, const std::vector<MergeRule>& rules, BpeOptions options);

  // Appends the tokens of a word, given as bytes. Thread-safe. Words are below 2^31 bytes.
  void encode_word(std::string_view word, std::vector<std::int32_t>& out, BpeWork* work = nullptr) const;

 private:
  struct Merge {
    std::uint64_t pair = kNoPair;
    std::uint32_t rank = 0;
    std::int32_t merged = 0;
  };
  struct Symbol;

  static constexpr std::uint64_t kNoPair = ~std::uint64_t{0};

  std::size_t slot_of(std::uint64_t pair) const noexcept;
  const Merge* find_merge(std::int32_t left, std::int32_t right) const noexcept;
  std::vector<Symbol> first_symbols(std::string_view word) const;

  const Vocabulary& vocabulary_;
  BpeOptions options_;
  std::array<std::int32_t, 256> byte_ids_;  // kNoToken where the vocabulary lacks the byte
  std::vector<Merge> merges_;               // open addressing, size a power of two, at most half full
};

}  // namespace ganglion::tokenizer
