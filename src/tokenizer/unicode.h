// The classes of code points that tokenizers split by: \p{L}, \p{N}, \s of the pre-tokenizer's pattern and \w of added
// tokens with single_word. The tables are generated (tools/make_unicode_tables.py) for the Unicode version of the
// Hugging Face release that the goldens were made with, because a newer version has more letters and splits otherwise.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ganglion::tokenizer {

enum class CharClass : std::uint8_t { kOther, kLetter, kNumber, kSpace };

// The classes of the alphabets below CJK: one load instead of three searches.
inline constexpr std::size_t kDirectClasses = 0x3000;
extern const std::array<CharClass, kDirectClasses> kDirectClass;
// The class of any code point, by searching.
CharClass find_char_class(char32_t code) noexcept;

// The class of a code point; kOther for anything that is not a scalar value. Thread-safe.
inline CharClass char_class(char32_t code) noexcept {
  return code < kDirectClasses ? kDirectClass[code] : find_char_class(code);
}
// \w: letters, marks, decimal digits, connector punctuation and join controls.
bool is_word_character(char32_t code) noexcept;

}  // namespace ganglion::tokenizer
