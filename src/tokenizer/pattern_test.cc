#include "tokenizer/pattern.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/error.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {
namespace {

constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// The pieces of a text, "|" between them, in "<>" where the pattern matched.
std::string pieces(const Pattern& pattern, std::string_view text) {
  std::vector<Span> spans;
  pattern.find(text, spans);
  std::string out;
  for (const Span& span : spans) {
    if (!out.empty()) out += "|";
    const std::string piece(text.substr(span.start, span.end - span.start));
    out += span.matched ? "<" + piece + ">" : piece;
  }
  return out;
}

std::string pieces(const std::string& expression, std::string_view text) {
  return pieces(Pattern::compile(expression, "test"), text);
}

TEST(Pattern, CutsAsLlama3Does) {
  EXPECT_EQ(pieces(kLlama3, "It's 12345 DON'T!\n\n x"), "<It>|<'s>|< >|<123>|<45>|< DON>|<'T>|<!\n\n>|< x>");
  EXPECT_EQ(pieces(kLlama3, "a   b\t\tc  \n  d"), "<a>|<  >|< b>|<\t>|<\tc>|<  \n>|< >|< d>");
  EXPECT_EQ(pieces(kLlama3, "x'ſ ?é$$ ..\r\nz"), "<x>|<'ſ>|< ?>|<é>|<$$>|< ..\r\n>|<z>");
  EXPECT_EQ(pieces(kQwen2, "a123"), "<a>|<1>|<2>|<3>");
}

// The patterns matched by hand, against themselves read by PCRE2: a group around them hides that they are known.
TEST(Pattern, TheSplittersWrittenByHandAgreeWithPcre2OnRandomText) {
  constexpr std::u32string_view kChars =
      U"aabsStTrRevVmMlLdD'''\u017F\u2019  "
      U"\t\n\r\u0085\u00A0\u3000\u180E\u200B\u00E9\u4E2D\u0660\u00B212.,!\u0301\u1F60";
  std::mt19937 random(1);
  for (const char* expression : {kGpt2, kLlama3, kQwen2}) {
    const Pattern by_hand = Pattern::compile(expression, "test");
    const Pattern general = Pattern::compile("(?:" + std::string(expression) + ")", "test");
    ASSERT_NE(by_hand.word_end(), nullptr);
    ASSERT_EQ(general.word_end(), nullptr);
    for (int i = 0; i < 20000; ++i) {
      std::string text;
      for (unsigned length = 1 + random() % 16; length > 0; --length)
        append_utf8(text, kChars[random() % kChars.size()]);
      ASSERT_EQ(pieces(by_hand, text), pieces(general, text)) << text;
    }
  }
}

// Debian's PCRE2 must know the letters, numbers and spaces of the tables: another Unicode version splits otherwise.
TEST(Pattern, Pcre2KnowsTheCharactersOfTheTables) {
  std::string all;
  for (char32_t code = 1; code < 0x110000; ++code) {
    if (code < 0xD800 || code > 0xDFFF) append_utf8(all, code);
  }
  for (const auto& [expression, wanted] :
       {std::pair{R"(\p{L})", CharClass::kLetter}, {R"(\p{N})", CharClass::kNumber}, {R"(\s)", CharClass::kSpace}}) {
    std::vector<Span> spans;
    Pattern::compile(expression, "test").find(all, spans);
    for (const Span& span : spans) {
      for (std::size_t at = span.start; at < span.end;) {
        const Utf8Char next = read_utf8(all, at);
        ASSERT_EQ(char_class(next.code) == wanted, span.matched)
            << expression << " " << static_cast<std::uint32_t>(next.code);
        at += next.length;
      }
    }
  }
}

TEST(Pattern, KnowsWhatLooksAroundAndWhatTakesAll) {
  EXPECT_EQ(pieces("(?<!a)b++", "abbcbb"), "ab|<b>|c|<bb>");
  EXPECT_EQ(pieces(R"([^\s-]{2,3}|\d+(?=x))", "abcd 12x-3x"), "<abc>|d |<12x>|-|<3x>");
  EXPECT_EQ(pieces(R"(a.)", "a\nab"), "a\n|<ab>");
  EXPECT_EQ(pieces(Pattern::literal("ab"), "xababy"), "x|<ab>|<ab>|y");
}

TEST(Pattern, ThatBacktracksWithoutEndGivesUp) {
  const Pattern pattern = Pattern::compile("(?:a+)+b", "test");
  std::vector<Span> spans;
  try {
    pattern.find(std::string(100, 'a') + "cb", spans);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kResourceExhausted) << error.what();
  }
}

}  // namespace
}  // namespace ganglion::tokenizer
