// Byte-pair encoding of one word: its bytes or characters become tokens, and the adjacent pair with the best rank
// merges until none is left. Where no rule could ever join two neighbours the word falls apart into runs that do not
// know of each other; a long run takes a heap over linked symbols, n log n in its length, so one unbroken megabyte is
// no attack.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/piece_table.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_cache.h"

namespace ganglion::tokenizer {

// `left` followed by `right` becomes `merged`. A rule's rank is its position in the file; lower ranks merge first.
struct MergeRule {
  std::int32_t left;
  std::int32_t right;
  std::int32_t merged;
};

// What the vocabulary is written in, and what a word is first cut into.
enum class Alphabet {
  kBytes,       // bytes, each written as one character of byte_level.h (GPT-2, OPT, Llama 3)
  kCharacters,  // characters, as they are (Llama 2)
};

struct BpeOptions {
  Alphabet alphabet = Alphabet::kBytes;
  // What a symbol without a token becomes; such symbols are left out when there is none.
  std::optional<std::int32_t> unknown = std::nullopt;
  // Neighbouring unknown symbols become one unknown token.
  bool fuse_unknown = false;
  // A whole word that is a token needs no merges (Llama 3 and its kin).
  bool ignore_merges = false;
  // A character without a token becomes the tokens "<0x00>" to "<0xFF>" of its bytes, if all are there (Llama 2).
  bool byte_fallback = false;
};

// Counts what encode_word did, for tests of its cost.
struct BpeWork {
  std::uint64_t symbols = 0;
  std::uint64_t heap_operations = 0;
};

class Bpe {
 public:
  // What one encode call keeps from word to word. Not thread-safe: one per thread.
  class Scratch {
   public:
    // For words of a text of so many bytes in all.
    explicit Scratch(std::size_t text_bytes = 0) : cache_(text_bytes) {}
    BpeWork work;

   private:
    friend class Bpe;
    struct Symbol {
      std::int32_t id;
      std::uint32_t previous;
      std::uint32_t next;
      bool removed;
    };
    struct Candidate {
      std::uint32_t rank;
      std::uint32_t position;  // of the left symbol
      std::int32_t merged;
    };
    WordCache cache_;
    std::vector<std::int32_t> ids_;
    std::vector<Symbol> symbols_;
    std::vector<Candidate> heap_;
  };

  // Takes the model's tokens of the vocabulary only. Of two rules for one pair the later one counts.
  Bpe(const Vocabulary& vocabulary, const std::vector<MergeRule>& rules, BpeOptions options);

  // Appends the tokens of a word: bytes, or well-formed UTF-8 for an alphabet of characters. Thread-safe, but for the
  // scratch. Words are below 2^31 bytes.
  void encode_word(std::string_view word, std::vector<std::int32_t>& out, Scratch& scratch) const;

 private:
  struct Merge {
    std::uint64_t pair = kNoPair;
    std::uint32_t rank = 0;
    std::int32_t merged = 0;
  };

  static constexpr std::uint64_t kNoPair = ~std::uint64_t{0};

  void add_tokens(const Vocabulary& vocabulary);
  void add_rules(const Vocabulary& vocabulary, const std::vector<MergeRule>& rules);
  std::size_t slot_of(std::uint64_t pair) const noexcept;
  const Merge* find_merge(std::int32_t left, std::int32_t right) const noexcept;
  std::size_t run_end(std::string_view word, std::size_t start) const noexcept;
  void encode_run(std::string_view run, std::vector<std::int32_t>& out, Scratch& scratch) const;
  void first_symbols(std::string_view run, std::vector<std::int32_t>& ids) const;
  void merge_few(std::vector<std::int32_t>& ids) const noexcept;
  void merge_many(Scratch& scratch) const;

  BpeOptions options_;
  std::array<std::int32_t, 256> byte_ids_;  // of bytes as symbols, or as fallback; kNoToken where there is none
  bool all_bytes_ = true;                   // byte_ids_ has no kNoToken
  std::vector<std::int32_t> char_ids_;      // of the characters below U+10000
  PieceTable pieces_;                       // the model's tokens by the text they stand for
  std::vector<Merge> merges_;               // open addressing, size a power of two, at most half full
  // Bit (last symbol of a rule's left, first symbol of its right), hashed: neighbours without a bit never join.
  std::vector<std::uint64_t> joints_;
  bool falls_apart_ = true;  // joints_ says all
};

}  // namespace ganglion::tokenizer
