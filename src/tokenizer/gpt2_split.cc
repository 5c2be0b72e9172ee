#include "tokenizer/gpt2_split.h"

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {
namespace {

// Length of the contraction at `start`, where text[start] is an apostrophe; 0 when there is none.
std::size_t contraction_length(std::string_view text, std::size_t start) noexcept {
  const std::string_view rest = text.substr(start + 1, 2);
  if (rest.empty()) return 0;
  if (rest[0] == 's' || rest[0] == 't' || rest[0] == 'm' || rest[0] == 'd') return 2;
  if (rest == "re" || rest == "ve" || rest == "ll") return 3;
  return 0;
}

// The end of the run of characters of one class that begins at `start`.
std::size_t run_end(std::string_view text, std::size_t start, CharClass wanted) noexcept {
  while (start < text.size()) {
    const Utf8Char next = read_utf8(text, start);
    if (char_class(next.code) != wanted) break;
    start += next.length;
  }
  return start;
}

}  // namespace

std::size_t gpt2_word_end(std::string_view text, std::size_t start) noexcept {
  if (text[start] == '\'') {
    if (const std::size_t length = contraction_length(text, start)) return start + length;
  }
  // A plain space belongs to the letters, numbers or signs that follow it.
  const std::size_t first = text[start] == ' ' && start + 1 < text.size() ? start + 1 : start;
  const CharClass kind = char_class(read_utf8(text, first).code);
  if (kind != CharClass::kSpace) return run_end(text, first, kind);

  // White space up to the end of the text is one word; before other text its last character starts the next word.
  const std::size_t end = run_end(text, start, CharClass::kSpace);
  if (end == text.size()) return end;
  const std::size_t last = previous_utf8(text, end);
  return last == start ? end : last;
}

}  // namespace ganglion::tokenizer
