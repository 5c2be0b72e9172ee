#include "tokenizer/byte_level.h"

#include <gtest/gtest.h>

#include <set>

namespace ganglion::tokenizer {
namespace {

TEST(ByteLevel, EveryByteHasItsOwnCharacterAndComesBack) {
  std::set<char32_t> chars;
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t code = byte_to_char(static_cast<unsigned char>(byte));
    chars.insert(code);
    EXPECT_EQ(char_to_byte(code), static_cast<unsigned char>(byte));
  }
  EXPECT_EQ(chars.size(), 256u);
}

TEST(ByteLevel, ASpaceIsWrittenAsGWithADot) { EXPECT_EQ(bytes_to_alphabet(" a\n"), "ĠaĊ"); }

TEST(ByteLevel, ATokenWithAForeignCharacterStandsForItself) {
  EXPECT_EQ(alphabet_to_bytes("Ġé"), std::string(" \xE9"));
  EXPECT_EQ(alphabet_to_bytes("Ġ中"), "Ġ中");
  EXPECT_EQ(alphabet_to_bytes("a b"), "a b");  // a plain space is not in the alphabet
}

}  // namespace
}  // namespace ganglion::tokenizer
