#include "tokenizer/word_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace ganglion::tokenizer {
namespace {

using Ids = std::vector<std::int32_t>;

TEST(WordCache, GivesBackWhatWasPutAndNothingElse) {
  WordCache cache(1 << 20);
  Ids out;
  for (int i = 0; i < 100000; ++i) {
    const std::string word = "w" + std::to_string(i % 5000);
    out.clear();
    if (cache.find(word, out)) {
      ASSERT_EQ(out, (Ids{i % 5000, 7})) << word;
    } else {
      ASSERT_TRUE(out.empty());
      cache.put(Ids{i % 5000, 7});
    }
  }
  out.clear();
  EXPECT_TRUE(cache.find("w4999", out));
}

TEST(WordCache, TellsWordsApartThatDifferInTrailingZeros) {
  WordCache cache(1 << 20);
  Ids out;
  EXPECT_FALSE(cache.find("a", out));
  cache.put(Ids{1});
  EXPECT_FALSE(cache.find(std::string_view("a\0", 2), out));
}

TEST(WordCache, HoldsNoLongWordsAndNothingForAShortText) {
  EXPECT_FALSE(WordCache(10).holds("a"));
  const WordCache cache(1 << 20);
  EXPECT_TRUE(cache.holds(std::string(WordCache::kMaxWord, 'a')));
  EXPECT_FALSE(cache.holds(std::string(WordCache::kMaxWord + 1, 'a')));
}

}  // namespace
}  // namespace ganglion::tokenizer
