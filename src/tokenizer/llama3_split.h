// The pre-tokenizer of Llama 3 and its kin: cuts text into the words that BPE merges within, as this pattern does
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
// (Qwen 2 has \p{N} in place of \p{N}{1,3}), but by hand, in one pass: no backtracking, whatever the text.
#pragma once

#include <cstddef>
#include <string_view>

namespace ganglion::tokenizer {

// The end of the word that begins at `start` (< text.size()), with numbers in words of at most three digits, or of one.
// The text must be well-formed UTF-8. Calling it again from each end covers the whole text; all calls together read
// each byte a bounded number of times. Thread-safe, never throws.
std::size_t llama3_word_end(std::string_view text, std::size_t start) noexcept;
std::size_t qwen2_word_end(std::string_view text, std::size_t start) noexcept;

}  // namespace ganglion::tokenizer
