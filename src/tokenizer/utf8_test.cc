#include "tokenizer/utf8.h"

#include <gtest/gtest.h>

namespace ganglion::tokenizer {
namespace {

TEST(Utf8, EveryScalarValueSurvivesWritingAndReading) {
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string text;
    append_utf8(text, code);
    const Utf8Char read = read_utf8(text, 0);
    ASSERT_EQ(read.status, Utf8Status::kValid);
    ASSERT_EQ(read.code, code);
    ASSERT_EQ(read.length, text.size());
    ASSERT_EQ(previous_utf8(text, text.size()), 0u);
  }
}

TEST(Utf8, EachMaximalMalformedPartBecomesOneReplacement) {
  const std::string r(kReplacementUtf8);
  EXPECT_EQ(to_valid_utf8("a\xE2\x82z"), "a" + r + "z");        // cut short by another character
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), r + r + r);          // a surrogate: its second byte fits nothing
  EXPECT_EQ(to_valid_utf8("\xC0\x80"), r + r);                  // overlong
  EXPECT_EQ(to_valid_utf8("\xF0\x9F\x98"), r);                  // cut short by the end
  EXPECT_EQ(to_valid_utf8("\xF4\x90\x80\x80"), r + r + r + r);  // past U+10FFFF
  EXPECT_EQ(to_valid_utf8("\xF0\x9F\xF0\x9F\x98\x80"), r + "\xF0\x9F\x98\x80");
}

TEST(Utf8, TellsATextThatEndsEarlyFromOneThatIsWrong) {
  EXPECT_EQ(read_utf8("\xF0\x9F\x98", 0).status, Utf8Status::kCutShort);
  EXPECT_EQ(read_utf8("\xF0\x9Fx", 0).status, Utf8Status::kMalformed);
  EXPECT_EQ(read_utf8("\x80", 0).status, Utf8Status::kMalformed);
}

}  // namespace
}  // namespace ganglion::tokenizer
