// The unigram model of SentencePiece: of all ways to write a word as pieces of the vocabulary, the one whose scores add
// up to most (Viterbi), as Hugging Face's tokenizers finds it (Kudo 2018, "Subword Regularization", section 3.2). Time
// is linear in the word, times the longest piece at worst.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace ganglion::tokenizer {

struct UnigramOptions {
  std::vector<double> scores;  // by id, of the model's tokens; log-probabilities, all finite
  std::int32_t unknown = 0;    // what characters without a piece become; neighbours become one
  bool byte_fallback = false;  // they become "<0x00>" to "<0xFF>" instead, if all are there
};

class Unigram {
 public:
  static constexpr std::size_t kMaxPiece = 1024;  // bytes

  // Errors: kUnsupported for a piece above kMaxPiece bytes. The scores cover the vocabulary's model tokens.
  Unigram(const Vocabulary& vocabulary, UnigramOptions options);

  // Appends the tokens of a word (well-formed UTF-8, below 2^31 bytes). Thread-safe.
  void encode_word(std::string_view word, std::vector<std::int32_t>& out) const;

 private:
  struct Edge {
    std::uint64_t key = ~std::uint64_t{0};  // node, byte
    std::uint32_t node = 0;
  };
  struct Best {
    double score = 0;
    std::uint32_t start = 0;
    std::int32_t id = kUnset;
  };
  static constexpr std::int32_t kUnset = -1;
  static constexpr std::int32_t kUnknown = -2;

  void add_piece(std::string_view piece, std::int32_t id);
  std::size_t slot_of(std::uint64_t key) const noexcept;
  std::int32_t find(std::string_view piece) const noexcept;
  void emit_unknown(std::string_view text, std::vector<std::int32_t>& out) const;

  UnigramOptions options_;
  double unknown_score_ = 0;
  std::array<std::int32_t, 256> byte_ids_;
  // The trie of the pieces: edges by hash, open addressing, at most half full; the token that ends at each node.
  std::vector<Edge> edges_;
  std::vector<std::int32_t> ids_;
};

}  // namespace ganglion::tokenizer
