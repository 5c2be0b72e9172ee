// Text to token ids and back, for byte-level BPE (GPT-2, OPT, Llama 3 and their kin) and for BPE and unigram models of
// characters (Llama 2), id for id as Hugging Face's AutoTokenizer (transformers 4.40) does it. To follow a text
// through: added_tokens.h cuts out "</s>" and the like, normalizer.h rewrites the rest, pre_tokenizer.h cuts it into
// words, bpe.h or unigram.h makes each word tokens. For the way back see decoder.h, for streams of tokens
// stream_decoder.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unigram.h"
#include "tokenizer/vocabulary.h"

namespace ganglion::tokenizer {

struct EncodeOptions {
  // Put what the model expects around the text: "</s>" first, for OPT.
  bool add_special_tokens = true;
};

struct DecodeOptions {
  // Leave special tokens out of the text.
  bool skip_special_tokens = false;
};

// Immutable: every method is const and thread-safe.
class Tokenizer {
 public:
  // Of a folder: reads tokenizer.json if it has one, else tokenizer.model, else vocab.json + merges.txt, and the small
  // files beside them. Of a file, named *.json or *.model: reads that alone, as a tokenizer.json or tokenizer.model.
  // Errors: kNotFound when there is none of them, kDataCorrupt for a malformed file, kUnsupported for another kind of
  // tokenizer (by name), kResourceExhausted for a file above 64 MiB.
  static std::unique_ptr<Tokenizer> load(const std::filesystem::path& model);
  // Whether the folder has files that load() would read.
  static bool is_in(const std::filesystem::path& folder);
  // The same from the files' texts.
  static std::unique_ptr<Tokenizer> from_files(const TokenizerFiles& files);

  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // The ids of a text. Malformed UTF-8 becomes U+FFFD first, as Python's decode("utf-8", "replace") has it. Time is
  // n log n in the text, whatever it holds. Errors: kInvalidArgument for a text of 1 GiB or more.
  std::vector<std::int32_t> encode(std::string_view text, EncodeOptions options = {}) const;
  // The text of ids: always well-formed UTF-8, with U+FFFD where tokens do not add up to characters. An id that no
  // token has is left out. Spaces are not cleaned up (clean_up_tokenization_spaces=False).
  std::string decode(std::span<const std::int32_t> ids, DecodeOptions options = {}) const;

  // The bytes a token adds to a text; empty for an id that no token has. Valid as long as the tokenizer.
  std::string_view token_bytes(std::int32_t id) const noexcept;
  bool is_special(std::int32_t id) const noexcept;
  // Whether the token stands for one byte of a run that is to be read as UTF-8 ("<0x41>" of byte fallback).
  bool is_byte(std::int32_t id) const noexcept;
  // The token as the vocabulary writes it; nullptr for an id that no token has.
  const std::string* token_text(std::int32_t id) const noexcept { return parts_.vocabulary.text(id); }
  const Decoder& decoder() const noexcept { return parts_.decoder; }
  // The id of a token by its text in the vocabulary file ("</s>", "Ġthe").
  std::optional<std::int32_t> find(std::string_view token) const { return parts_.vocabulary.find(token); }
  // One past the largest id.
  std::int32_t vocab_size() const noexcept { return parts_.vocabulary.id_end(); }

  std::optional<std::int32_t> bos_id() const noexcept { return parts_.bos; }
  std::optional<std::int32_t> eos_id() const noexcept { return parts_.eos; }
  std::optional<std::int32_t> pad_id() const noexcept { return parts_.pad; }
  std::optional<std::int32_t> unk_id() const noexcept { return parts_.unk; }

 private:
  explicit Tokenizer(TokenizerParts parts);
  void encode_plain(std::string_view part, bool at_start, std::vector<std::int32_t>& out, Bpe::Scratch& scratch) const;

  TokenizerParts parts_;
  AddedTokens added_tokens_;
  PreTokenizer pre_tokenizer_;
  Bpe bpe_;
  std::optional<Unigram> unigram_;           // instead of bpe_
  std::vector<bool> special_;                // by id
  std::vector<bool> byte_;                   // by id
  std::string bytes_;                        // all tokens' bytes, one after the other
  std::vector<std::uint32_t> byte_offsets_;  // token i: [byte_offsets_[i], byte_offsets_[i + 1])
};

}  // namespace ganglion::tokenizer
