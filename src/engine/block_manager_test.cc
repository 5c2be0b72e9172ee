#include "engine/block_manager.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ganglion::engine {
namespace {

TEST(BlockManager, GivesTheLowestBlocksAndTakesThemBack) {
  BlockManager blocks(4);
  const auto first = blocks.try_allocate(2);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(*first, (std::vector<BlockId>{0, 1}));
  const auto second = blocks.try_allocate(1);
  blocks.release(*first);
  EXPECT_EQ(*blocks.try_allocate(3), (std::vector<BlockId>{0, 1, 3}));
  EXPECT_EQ(blocks.free_blocks(), 0);
}

TEST(BlockManager, TakesNothingWhenThereAreTooFew) {
  BlockManager blocks(3);
  EXPECT_FALSE(blocks.try_allocate(4).has_value());
  EXPECT_EQ(blocks.free_blocks(), 3);
}

TEST(BlockManager, ABlockReleasedTwiceIsABugOfOurs) {
  BlockManager blocks(2);
  const auto taken = blocks.try_allocate(1);
  blocks.release(*taken);
  EXPECT_THROW(blocks.release(*taken), Error);
}

}  // namespace
}  // namespace ganglion::engine
