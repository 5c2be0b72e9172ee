// The alphabet of byte-level BPE: each of the 256 bytes is written as one printable code point, so that vocabulary
// files are readable text. Printable ASCII and Latin-1 stand for themselves; the other 68 bytes are U+0100 and up, in
// order.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ganglion::tokenizer {

char32_t byte_to_char(unsigned char byte) noexcept;
std::optional<unsigned char> char_to_byte(char32_t code) noexcept;

// " é" -> "ĠÃ©": the bytes as a vocabulary writes them.
std::string bytes_to_alphabet(std::string_view bytes);
// The bytes a token stands for. A token with any character outside the alphabet (an added token, say) stands for
// itself. `token` must be well-formed UTF-8.
std::string alphabet_to_bytes(std::string_view token);
// Whether every character of `token` (well-formed UTF-8) is in the alphabet.
bool is_in_byte_alphabet(std::string_view token) noexcept;

}  // namespace ganglion::tokenizer
