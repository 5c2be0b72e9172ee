// The classes of code points that tokenizers split by: \p{L}, \p{N}, \s of the pre-tokenizer's pattern and \w of added
// tokens with single_word. The tables are generated (tools/make_unicode_tables.py) for the Unicode version of the
// Hugging Face release that the goldens were made with, because a newer version has more letters and splits otherwise.
#pragma once

namespace ganglion::tokenizer {

enum class CharClass { kOther, kLetter, kNumber, kSpace };

// The class of a code point; kOther for anything that is not a scalar value. Thread-safe.
CharClass char_class(char32_t code) noexcept;
// \w: letters, marks, decimal digits, connector punctuation and join controls.
bool is_word_character(char32_t code) noexcept;

}  // namespace ganglion::tokenizer
