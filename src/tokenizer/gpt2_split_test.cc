#include "tokenizer/gpt2_split.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ganglion::tokenizer {
namespace {

using Words = std::vector<std::string>;

Words words_of(std::string_view text) {
  Words words;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = gpt2_word_end(text, start);
    words.emplace_back(text.substr(start, end - start));
    start = end;
  }
  return words;
}

TEST(Gpt2Split, ASpaceGoesWithTheLettersNumbersOrSignsAfterIt) {
  EXPECT_EQ(words_of("It is 42 -- ok"), (Words{"It", " is", " 42", " --", " ok"}));
}

TEST(Gpt2Split, OnlyLowerCaseContractionsAreCutOff) {
  EXPECT_EQ(words_of("I'm we've it's'll"), (Words{"I", "'m", " we", "'ve", " it", "'s", "'ll"}));
  EXPECT_EQ(words_of("I'M 's 'x"), (Words{"I", "'", "M", " '", "s", " '", "x"}));
  EXPECT_EQ(words_of("'re'r"), (Words{"'re", "'", "r"}));
}

TEST(Gpt2Split, TheLastOfSeveralSpacesBelongsToTheNextWord) {
  EXPECT_EQ(words_of("a   b"), (Words{"a", "  ", " b"}));
  EXPECT_EQ(words_of("a \n b"), (Words{"a", " \n", " b"}));
  EXPECT_EQ(words_of("a \nb"), (Words{"a", " ", "\n", "b"}));
  EXPECT_EQ(words_of("a\u00A0\u3000b"), (Words{"a", "\u00A0", "\u3000", "b"}));
}

TEST(Gpt2Split, WhiteSpaceAtTheEndStaysTogether) {
  EXPECT_EQ(words_of("a  \n "), (Words{"a", "  \n "}));
  EXPECT_EQ(words_of(" "), (Words{" "}));
}

TEST(Gpt2Split, NumbersOfEveryScriptAndMarksAreToldApart) {
  EXPECT_EQ(words_of("x٣²Ⅻy"), (Words{"x", "٣²Ⅻ", "y"}));
  EXPECT_EQ(words_of("e\u0301t"), (Words{"e", "\u0301", "t"}));
}

}  // namespace
}  // namespace ganglion::tokenizer
