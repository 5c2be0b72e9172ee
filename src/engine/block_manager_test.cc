#include "engine/block_manager.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ganglion::engine {
namespace {

TEST(BlockManager, GivesTheLowestBlocksAndTakesThemBack) {
  BlockManager blocks(4);
  for (const BlockId wanted : {0, 1, 2}) EXPECT_EQ(blocks.try_take(), wanted);
  blocks.release(1);
  blocks.release(0);
  for (const BlockId wanted : {0, 1, 3}) EXPECT_EQ(blocks.try_take(), wanted);
  EXPECT_EQ(blocks.try_take(), std::nullopt);
  EXPECT_EQ(blocks.used_blocks(), 4);
}

TEST(BlockManager, FreesASharedBlockOnlyAfterItsLastReader) {
  BlockManager blocks(1);
  blocks.try_take();
  blocks.share(0);
  blocks.release(0);
  EXPECT_EQ(blocks.try_take(), std::nullopt);
  blocks.release(0);
  EXPECT_EQ(blocks.free_blocks(), 1);
}

TEST(BlockManager, ABlockReleasedTwiceIsABugOfOurs) {
  BlockManager blocks(2);
  blocks.try_take();
  blocks.release(0);
  EXPECT_THROW(blocks.release(0), Error);
  EXPECT_THROW(blocks.share(0), Error);
  EXPECT_THROW(blocks.keep(0), Error);
}

TEST(BlockManager, TakesFreeBlocksBeforeKeptOnesAndOfThoseTheOneReleasedFirst) {
  BlockManager blocks(4);
  for (int i = 0; i < 3; ++i) blocks.keep(*blocks.try_take());
  for (const BlockId block : {1, 0, 2}) blocks.release(block);
  EXPECT_EQ(blocks.kept_blocks(), 3);
  EXPECT_EQ(blocks.available_blocks(), 4);
  blocks.share(1);  // read again, and so the most recent when it is released
  blocks.release(1);
  for (const BlockId wanted : {3, 0, 2, 1}) EXPECT_EQ(blocks.try_take(), wanted);
}

TEST(BlockManager, ABlockTakenAnewIsNotWorthKeepingUntilToldSo) {
  BlockManager blocks(1);
  blocks.keep(*blocks.try_take());
  blocks.release(0);
  blocks.try_take();
  blocks.release(0);
  EXPECT_EQ(blocks.kept_blocks(), 0);
  EXPECT_EQ(blocks.free_blocks(), 1);
}

}  // namespace
}  // namespace ganglion::engine
