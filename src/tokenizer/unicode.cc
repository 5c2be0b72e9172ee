#include "tokenizer/unicode.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "tokenizer/unicode_tables.h"

namespace ganglion::tokenizer {
namespace {

bool contains(const CodePointRange* ranges, std::size_t count, char32_t code) noexcept {
  const CodePointRange* end = ranges + count;
  const CodePointRange* found = std::lower_bound(
      ranges, end, code, [](const CodePointRange& range, char32_t value) { return range.last < value; });
  return found != end && found->first <= code;
}

CharClass look_up(char32_t code) noexcept {
  if (contains(kLetters, kLettersCount, code)) return CharClass::kLetter;
  if (contains(kNumbers, kNumbersCount, code)) return CharClass::kNumber;
  if (contains(kSpaces, kSpacesCount, code)) return CharClass::kSpace;
  return CharClass::kOther;
}

constexpr std::size_t kDirect = 0x3000;  // Alphabets below CJK: one load instead of three binary searches.

std::array<CharClass, kDirect> make_direct() noexcept {
  std::array<CharClass, kDirect> classes{};
  for (std::size_t code = 0; code < kDirect; ++code) classes[code] = look_up(static_cast<char32_t>(code));
  return classes;
}

}  // namespace

CharClass char_class(char32_t code) noexcept {
  static const std::array<CharClass, kDirect> direct = make_direct();
  return code < kDirect ? direct[code] : look_up(code);
}

bool is_word_character(char32_t code) noexcept { return contains(kWordCharacters, kWordCharactersCount, code); }

}  // namespace ganglion::tokenizer
