#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ganglion::engine {
namespace {

using Tokens = std::vector<std::int32_t>;

TEST(PrefixCache, FindsABlockBehindTheSameTokensOnly) {
  PrefixCache cache(8);
  const auto first = cache.add(PrefixCache::kStart, Tokens{1, 2}, "", 0);
  const auto other = cache.add(PrefixCache::kStart, Tokens{3, 4}, "", 1);
  cache.add(first, Tokens{5, 6}, "", 2);
  ASSERT_TRUE(cache.find(first, Tokens{5, 6}, ""));
  EXPECT_EQ(cache.find(first, Tokens{5, 6}, "")->block, 2);
  EXPECT_FALSE(cache.find(other, Tokens{5, 6}, ""));
  EXPECT_FALSE(cache.find(PrefixCache::kStart, Tokens{5, 6}, ""));
  EXPECT_FALSE(cache.find(first, Tokens{6, 5}, ""));
}

TEST(PrefixCache, TextsOfOtherSaltsShareNothing) {
  PrefixCache cache(8);
  cache.add(PrefixCache::kStart, Tokens{1, 2}, "one", 0);
  EXPECT_TRUE(cache.find(PrefixCache::kStart, Tokens{1, 2}, "one"));
  EXPECT_FALSE(cache.find(PrefixCache::kStart, Tokens{1, 2}, "two"));
  EXPECT_FALSE(cache.find(PrefixCache::kStart, Tokens{1, 2}, ""));
}

TEST(PrefixCache, KeysWithOneHashAreStillToldApart) {
  PrefixCache cache(64, [](std::string_view, std::uint64_t) { return std::uint64_t{7}; });
  for (BlockId block = 0; block < 64; ++block) cache.add(PrefixCache::kStart, Tokens{block, 2}, "", block);
  for (BlockId block = 0; block < 64; ++block)
    EXPECT_EQ(cache.find(PrefixCache::kStart, Tokens{block, 2}, "")->block, block);
  EXPECT_FALSE(cache.find(PrefixCache::kStart, Tokens{64, 2}, ""));
}

TEST(PrefixCache, ALinkIsNeverGivenTwiceSoWhatFollowedAForgottenBlockIsNotFoundBehindItsSuccessor) {
  PrefixCache cache(8);
  const auto first = cache.add(PrefixCache::kStart, Tokens{1, 2}, "", 0);
  cache.add(first, Tokens{5, 6}, "", 1);
  cache.forget(0);
  cache.forget(0);  // has no name any more: nothing
  const auto second = cache.add(PrefixCache::kStart, Tokens{3, 4}, "", 0);
  EXPECT_NE(first, second);
  EXPECT_FALSE(cache.find(second, Tokens{5, 6}, ""));
  EXPECT_EQ(cache.size(), 2);
}

TEST(PrefixCache, NamingATextTwiceIsABugOfOurs) {
  PrefixCache cache(8);
  cache.add(PrefixCache::kStart, Tokens{1, 2}, "", 0);
  EXPECT_THROW(cache.add(PrefixCache::kStart, Tokens{1, 2}, "", 1), Error);
}

}  // namespace
}  // namespace ganglion::engine
