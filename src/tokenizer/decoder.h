// How the tokens of a text are put together again, as the "decoder" of a tokenizer says: either they are bytes, which
// together are UTF-8 (ByteLevel: GPT-2, OPT, Llama 3), or they are text, some of which may name a byte (Llama 2).
// stream_decoder.h does it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/normalizer.h"

namespace ganglion::tokenizer {

struct Decoder {
  enum class Kind { kBytes, kCharacters };
  Kind kind = Kind::kBytes;
  Normalizer replacements;  // Replace steps, in every token
  // Tokens that name a byte are one; a run of them is the text it is in UTF-8, or else a U+FFFD for each.
  bool byte_fallback = false;
  // At most so many of this character are left out at the start of the text.
  std::string strip;
  std::int64_t strip_count = 0;
  // Left out of the first token, wherever it stands in it.
  std::string drop_from_first;

  // The byte that a token names by "<0x41>".
  static std::optional<unsigned char> named_byte(std::string_view token) noexcept;

  struct Piece {
    std::string bytes;  // what the token adds to a text, unless it is the first
    bool is_byte;       // of a run that is to be read as UTF-8
  };
  Piece piece(const std::string& token) const;
};

}  // namespace ganglion::tokenizer
