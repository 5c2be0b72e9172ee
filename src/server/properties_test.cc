#include "server/properties.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ganglion::server {
namespace {

std::string value(const std::string& text, const std::string& key) {
  return Properties::parse(text, "test").get(key).value_or("(absent)");
}

TEST(Properties, TakesEqualsColonOrBlankAsSeparator) {
  for (const char* line : {"a=b", "a:b", "a b", "a\tb", "a = b", "a   :  b", "  a=b", "\f a\f=\fb"})
    EXPECT_EQ(value(line, "a"), "b") << line;
  EXPECT_EQ(value("a==b", "a"), "=b");
  EXPECT_EQ(value("a : = b", "a"), "= b");
}

TEST(Properties, AKeyMayHaveNoValue) {
  for (const char* line : {"a", "a=", "a:", "a  "}) EXPECT_EQ(value(line, "a"), "") << line;
  EXPECT_EQ(value("=b", ""), "b");
}

TEST(Properties, KeepsBlanksAtTheEndOfAValue) { EXPECT_EQ(value("a=b  \nc=d", "a"), "b  "); }

TEST(Properties, SkipsCommentsAndBlankLines) {
  const Properties properties = Properties::parse("# a=1\n\n  ! b=2\n \t \nc=3 # not a comment\n", "test");
  ASSERT_EQ(properties.entries().size(), 1u);
  EXPECT_EQ(properties.get("c"), "3 # not a comment");
}

TEST(Properties, TakesAnyLineEnding) {
  const Properties properties = Properties::parse("a=1\r\nb=2\rc=3\nd=4", "test");
  EXPECT_EQ(properties.entries().size(), 4u);
  EXPECT_EQ(properties.get("b"), "2");
}

TEST(Properties, JoinsContinuedLines) {
  EXPECT_EQ(value("fruits  apple, banana, \\\n   pear,\\\r\n\tkiwi", "fruits"), "apple, banana, pear,kiwi");
  EXPECT_EQ(value("a=b\\\\\nc=d", "a"), "b\\");
  EXPECT_EQ(value("a=b\\\n# c", "a"), "b# c");
  EXPECT_EQ(value("a=b\\", "a"), "b");
}

TEST(Properties, ResolvesEscapes) {
  EXPECT_EQ(value("a\\ b\\=c\\:d=e", "a b=c:d"), "e");
  EXPECT_EQ(value("a=\\t\\n\\r\\f\\q\\\\", "a"), "\t\n\r\fq\\");
  EXPECT_EQ(value("a=\\u0041\\u00e9\\u20AC", "a"), "A\xc3\xa9\xe2\x82\xac");
  EXPECT_EQ(value("a=\\uD83D\\uDE00", "a"), "\xf0\x9f\x98\x80");
  EXPECT_EQ(value("a=\\uD83Dx", "a"), "\xef\xbf\xbdx");
  EXPECT_EQ(value("\\#a=b", "#a"), "b");
}

TEST(Properties, KeepsUtf8Bytes) {
  EXPECT_EQ(value("name=Gr\xc3\xb6\xc3\x9f"
                  "e",
                  "name"),
            "Gr\xc3\xb6\xc3\x9f"
            "e");
}

TEST(Properties, TheLastValueOfAKeyWins) {
  const Properties properties = Properties::parse("a=1\nb=2\na=3", "test");
  EXPECT_EQ(properties.get("a"), "3");
  EXPECT_EQ(properties.entries().size(), 2u);
}

TEST(Properties, ABrokenUnicodeEscapeIsAnError) {
  for (const char* line : {"a=\\u12", "a=\\u12g4", "a=\\u", "a=\\u-123"})
    EXPECT_THROW(Properties::parse(line, "test"), Error) << line;
}

TEST(Properties, NumbersAndWordsAreCheckedWithTheirPlace) {
  const Properties properties = Properties::parse(
      "n=5\nm=5x\nbig=99999999999999999999\nneg=-1\nyes=TRUE\nw=maybe\nblank=7 ", "serving.properties");
  EXPECT_EQ(properties.integer("n", 1, 10), 5);
  EXPECT_EQ(properties.integer("blank", 1, 10), 7);
  EXPECT_EQ(properties.boolean("yes"), true);
  EXPECT_FALSE(properties.integer("absent", 1, 10).has_value());
  for (const char* key : {"m", "big", "neg", "w"}) EXPECT_THROW(properties.integer(key, 1, 10), Error) << key;
  EXPECT_THROW(properties.boolean("w"), Error);
  try {
    properties.integer("neg", 1, 10);
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[serving.properties] neg=-1: wanted a whole number from 1 to 10");
  }
}

}  // namespace
}  // namespace ganglion::server
