#include "tokenizer/llama3_split.h"

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {
namespace {

constexpr std::string_view kLongS = "\u017F";  // the other small form of "s", so it is one where case is ignored

char to_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// Length of the contraction at `start`, where text[start] is an apostrophe, in either case; 0 when there is none.
std::size_t contraction_length(std::string_view text, std::size_t start) noexcept {
  const std::string_view rest = text.substr(start + 1, 2);
  if (rest.empty()) return 0;
  const char first = to_lower(rest[0]);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (rest == kLongS) return 1 + kLongS.size();
  if (rest.size() < 2) return 0;
  const char second = to_lower(rest[1]);
  if ((first == 'r' || first == 'v') && second == 'e') return 3;
  if (first == 'l' && second == 'l') return 3;
  return 0;
}

std::size_t run_end(std::string_view text, std::size_t start, CharClass wanted) noexcept {
  while (start < text.size()) {
    const Utf8Char next = read_utf8(text, start);
    if (char_class(next.code) != wanted) break;
    start += next.length;
  }
  return start;
}

std::size_t newlines_end(std::string_view text, std::size_t start) noexcept {
  while (start < text.size() && (text[start] == '\r' || text[start] == '\n')) ++start;
  return start;
}

std::size_t digits_end(std::string_view text, std::size_t start, int most) noexcept {
  for (; most > 0 && start < text.size(); --most) {
    const Utf8Char next = read_utf8(text, start);
    if (char_class(next.code) != CharClass::kNumber) break;
    start += next.length;
  }
  return start;
}

// White space: up to its last line break if it has one; else all of it at the end of the text, all but its last
// character before other text, or that last character alone.
std::size_t space_end(std::string_view text, std::size_t start) noexcept {
  std::size_t end = start;
  std::size_t last = start;
  std::size_t after_newline = 0;
  while (end < text.size()) {
    const Utf8Char next = read_utf8(text, end);
    if (char_class(next.code) != CharClass::kSpace) break;
    last = end;
    end += next.length;
    if (next.code == '\r' || next.code == '\n') after_newline = end;
  }
  if (after_newline != 0) return after_newline;
  return end == text.size() || last == start ? end : last;
}

std::size_t word_end(std::string_view text, std::size_t start, int most_digits) noexcept {
  const Utf8Char first = read_utf8(text, start);
  if (first.code == '\'') {
    if (const std::size_t length = contraction_length(text, start)) return start + length;
  }
  const CharClass kind = char_class(first.code);
  const std::size_t second = start + first.length;
  if (kind == CharClass::kLetter) return run_end(text, second, CharClass::kLetter);
  if (kind == CharClass::kNumber) return digits_end(text, second, most_digits - 1);

  // Any other character but a line break leads the letters after it, and a plain space leads signs too.
  if (second < text.size() && first.code != '\r' && first.code != '\n') {
    const CharClass next = char_class(read_utf8(text, second).code);
    if (next == CharClass::kLetter) return run_end(text, second, CharClass::kLetter);
    if (first.code == ' ' && next == CharClass::kOther)
      return newlines_end(text, run_end(text, second, CharClass::kOther));
  }
  if (kind == CharClass::kOther) return newlines_end(text, run_end(text, second, CharClass::kOther));
  return space_end(text, start);
}

}  // namespace

std::size_t llama3_word_end(std::string_view text, std::size_t start) noexcept { return word_end(text, start, 3); }
std::size_t qwen2_word_end(std::string_view text, std::size_t start) noexcept { return word_end(text, start, 1); }

}  // namespace ganglion::tokenizer
