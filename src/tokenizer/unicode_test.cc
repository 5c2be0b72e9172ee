#include "tokenizer/unicode.h"

#include <gtest/gtest.h>

#include <array>

namespace ganglion::tokenizer {
namespace {

// The counts are those of Unicode 14: `sum(unicodedata.category(chr(c))[0] == "L" for c in range(0x110000))` and so on.
TEST(Unicode, HasAsManyLettersNumbersAndSpacesAsUnicode14) {
  std::array<int, 4> counts{};
  for (char32_t code = 0; code < 0x110000; ++code) ++counts[static_cast<std::size_t>(char_class(code))];
  EXPECT_EQ(counts[static_cast<std::size_t>(CharClass::kLetter)], 131756);
  EXPECT_EQ(counts[static_cast<std::size_t>(CharClass::kNumber)], 1791);
  EXPECT_EQ(counts[static_cast<std::size_t>(CharClass::kSpace)], 25);
}

TEST(Unicode, TreatsTheClassicDisagreementsAsTheOracleDoes) {
  EXPECT_EQ(char_class(0x85), CharClass::kSpace);    // next line
  EXPECT_EQ(char_class(0x200B), CharClass::kOther);  // zero width space
  EXPECT_EQ(char_class(0x180E), CharClass::kOther);  // Mongolian vowel separator
  EXPECT_EQ(char_class(0x1C), CharClass::kOther);    // file separator, which Python's isspace() accepts
  EXPECT_EQ(char_class(0x1C89), CharClass::kOther);  // a letter since Unicode 16
}

TEST(Unicode, CodesPastTheLastAreOther) {
  EXPECT_EQ(char_class(0x110000), CharClass::kOther);
  EXPECT_EQ(char_class(0xFFFFFFFF), CharClass::kOther);
}

TEST(Unicode, WordCharactersAreLettersMarksDecimalDigitsAndConnectors) {
  for (const char32_t code : {U'a', U'7', U'_', U'\u00E9', U'\u0301', U'\u4E2D', U'\u200D'}) {
    EXPECT_TRUE(is_word_character(code)) << static_cast<unsigned>(code);
  }
  for (const char32_t code : {U' ', U'-', U'\u00B2', U'\u2019', U'\U0001F600'}) {
    EXPECT_FALSE(is_word_character(code)) << static_cast<unsigned>(code);
  }
}

}  // namespace
}  // namespace ganglion::tokenizer
