// The pre-tokenizer of GPT-2 and OPT: cuts text into the words that BPE merges within, as this pattern does
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// but by hand, in one pass: no backtracking, whatever the text.
#pragma once

#include <cstddef>
#include <string_view>

namespace ganglion::tokenizer {

// The end of the word that begins at `start` (< text.size()). The text must be well-formed UTF-8. Calling it again from
// each end covers the whole text; all calls together read each byte a bounded number of times. Thread-safe, never
// throws.
std::size_t gpt2_word_end(std::string_view text, std::size_t start) noexcept;

}  // namespace ganglion::tokenizer
