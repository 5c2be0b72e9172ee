#include "tokenizer/added_tokens.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ganglion::tokenizer {
namespace {

// Parts as one string: plain text as it is, tokens as <id:text>.
std::string split(const std::vector<AddedToken>& tokens, std::string_view text) {
  std::string out;
  const AddedTokens added(tokens, Normalizer{});
  const auto add = [&](const TextPart& part) {
    if (!out.empty()) out += "|";
    out += part.token ? fmt::format("<{}:{}>", *part.token, part.text) : std::string(part.text);
  };
  for (const TextPart& part : added.split_verbatim(text)) {
    if (part.token) {
      add(part);
    } else {
      for (const TextPart& inner : added.split_normalized(part.text)) add(inner);
    }
  }
  return out;
}

TEST(AddedTokens, TheLeftmostComesFirstAndTheLongestThere) {
  const std::vector<AddedToken> tokens = {
      {.content = "ab", .id = 1}, {.content = "abcd", .id = 2}, {.content = "bcx", .id = 3}};
  EXPECT_EQ(split(tokens, "zabcxabcdab"), "z|<1:ab>|cx|<2:abcd>|<1:ab>");
}

TEST(AddedTokens, StrippingTokensTakeTheWhiteSpaceBesideThem) {
  EXPECT_EQ(split({{.content = "X", .id = 1, .lstrip = true}}, "a \u3000X b"), "a|<1: \u3000X>| b");
  EXPECT_EQ(split({{.content = "X", .id = 1, .rstrip = true}}, "a X \n b"), "a |<1:X \n >|b");
}

TEST(AddedTokens, WhiteSpaceBetweenTwoTokensIsTakenOnce) {
  const std::vector<AddedToken> tokens = {{.content = "X", .id = 1, .lstrip = true, .rstrip = true}};
  EXPECT_EQ(split(tokens, "X  X"), "<1:X  >|<1:X>");
}

TEST(AddedTokens, SingleWordTokensMatchOnlyBetweenCharactersThatAreNoWord) {
  const std::vector<AddedToken> tokens = {{.content = "the", .id = 1, .single_word = true}};
  EXPECT_EQ(split(tokens, "the -the- other thé théthe"), "<1:the>| -|<1:the>|- other thé théthe");
}

TEST(AddedTokens, NormalizedTokensAreLookedForInWhatTheOthersLeave) {
  const std::vector<AddedToken> tokens = {{.content = "abc", .id = 1, .normalized = true}, {.content = "bc", .id = 2}};
  EXPECT_EQ(split(tokens, "abc"), "a|<2:bc>");
}

TEST(AddedTokens, RunsOfStrippingWhiteSpaceTokensAreWalkedOnce) {
  // A quadratic walk would be 5e11 steps.
  const std::vector<AddedToken> tokens = {{.content = "\n", .id = 1, .lstrip = true, .rstrip = true}};
  EXPECT_EQ(AddedTokens(tokens, Normalizer{}).split_verbatim(std::string(1 << 20, '\n')).size(), std::size_t{1} << 20);
}

TEST(AddedTokens, RefusesAContentThatWouldMakeTheSearchSlow) {
  try {
    AddedTokens({{.content = std::string(2000, 'x'), .id = 7}}, Normalizer{});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnsupported);
    EXPECT_EQ(std::string(error.what()), "[added_tokens] token 7 has 2000 bytes; at most 1024 are supported");
  }
}

}  // namespace
}  // namespace ganglion::tokenizer
