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

std::array<CharClass, kDirectClasses> make_direct() noexcept {
  std::array<CharClass, kDirectClasses> classes{};
  for (std::size_t code = 0; code < kDirectClasses; ++code)
    classes[code] = find_char_class(static_cast<char32_t>(code));
  return classes;
}

}  // namespace

const std::array<CharClass, kDirectClasses> kDirectClass = make_direct();

CharClass find_char_class(char32_t code) noexcept {
  if (contains(kLetters, kLettersCount, code)) return CharClass::kLetter;
  if (contains(kNumbers, kNumbersCount, code)) return CharClass::kNumber;
  if (contains(kSpaces, kSpacesCount, code)) return CharClass::kSpace;
  return CharClass::kOther;
}

bool is_word_character(char32_t code) noexcept { return contains(kWordCharacters, kWordCharactersCount, code); }

}  // namespace ganglion::tokenizer
