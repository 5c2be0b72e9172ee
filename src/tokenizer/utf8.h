// UTF-8, read one code point at a time. Malformed bytes are measured as Unicode advises ("substitution of maximal
// subparts"): a maximal prefix of a well-formed sequence, or one byte, becomes one U+FFFD. Python's
// bytes.decode("utf-8", "replace") does the same.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ganglion::tokenizer {

inline constexpr char32_t kReplacement = 0xFFFD;
inline constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";

enum class Utf8Status {
  kValid,
  kMalformed,  // no continuation can make these bytes a character
  kCutShort,   // the text ends inside a sequence that was well-formed so far
};

struct Utf8Char {
  char32_t code;       // kReplacement unless valid
  std::size_t length;  // bytes it covers, at least 1
  Utf8Status status;
};

// The code point at text[position]; position must be < text.size(). Thread-safe, never throws.
inline Utf8Char read_utf8(std::string_view text, std::size_t position) noexcept;
// The start of the code point that ends right before `position` (> 0); the text before it must be well-formed.
std::size_t previous_utf8(std::string_view text, std::size_t position) noexcept;
void append_utf8(std::string& out, char32_t code);
bool is_valid_utf8(std::string_view text) noexcept;
// The text with every malformed part replaced by U+FFFD.
std::string to_valid_utf8(std::string_view text);

// The same where the first byte is not ASCII, and so behind a call.
Utf8Char read_long_utf8(std::string_view text, std::size_t position) noexcept;

inline Utf8Char read_utf8(std::string_view text, std::size_t position) noexcept {
  const auto lead = static_cast<unsigned char>(text[position]);
  if (lead < 0x80) return {lead, 1, Utf8Status::kValid};
  return read_long_utf8(text, position);
}

}  // namespace ganglion::tokenizer
