#include "checkpoint/packed_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <thread>

#include "base/error.h"
#include "base/thread_pool.h"
#include "checkpoint/scratch_folder.h"

namespace ganglion::checkpoint {
namespace {

namespace fs = std::filesystem;

class PackedCacheTest : public testing::Test {
 protected:
  PackedCacheTest() : image_(3'000'001) {
    std::mt19937 random(5);
    for (std::byte& value : image_) value = static_cast<std::byte>(random());
    std::string weights;
    for (int i = 0; i < 2'000'000; ++i) weights += static_cast<char>(random());
    source_ = scratch_.file("model.safetensors", weights);
  }

  PackedCache cache() { return PackedCache(folder_, {source_}, pool_); }
  bool loads(const std::string& layout = "layout") {
    std::vector<std::byte> out(image_.size(), std::byte{1});
    if (!cache().load(layout, out)) return false;
    EXPECT_TRUE(out == image_) << "what was loaded is not what was stored";
    return true;
  }
  fs::path stored() {
    EXPECT_TRUE(cache().store("layout", image_));
    return cache().path_of("layout");
  }
  static void flip(const fs::path& path, std::int64_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const char value = static_cast<char>(file.get() ^ 0x10);
    file.seekp(at);
    file.put(value);
  }
  std::size_t files() {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  ScratchFolder scratch_;
  fs::path source_, folder_ = scratch_ / "cache";
  ThreadPool pool_{2};
  std::vector<std::byte> image_;
};

TEST_F(PackedCacheTest, GivesBackWhatWasStoredAndNothingBefore) {
  EXPECT_FALSE(loads());
  stored();
  EXPECT_TRUE(loads());
  EXPECT_FALSE(loads("another layout"));
  EXPECT_EQ(files(), 1u);
}

TEST_F(PackedCacheTest, StaysValidWhenItOrTheCheckpointIsMovedOrCopied) {
  stored();
  fs::rename(folder_, scratch_ / "elsewhere");
  folder_ = scratch_ / "elsewhere";
  fs::copy_file(source_, scratch_ / "copy");  // with another time of change
  fs::remove(source_);
  source_ = scratch_ / "copy";
  EXPECT_TRUE(loads());
}

TEST_F(PackedCacheTest, IsNotUsedForAnotherCheckpointOfTheSameShape) {
  stored();
  flip(source_, 100);  // in a piece that is sampled: another name
  EXPECT_FALSE(loads());
}

TEST_F(PackedCacheTest, IsNotUsedWhenTheCheckpointChangedBetweenTheSamples) {
  stored();
  flip(source_, 4096 + 10'000);
  EXPECT_FALSE(loads());
  EXPECT_TRUE(cache().store("layout", image_));
  EXPECT_TRUE(loads());
}

TEST_F(PackedCacheTest, NoticesDamageAnywhere) {
  const fs::path path = stored();
  const auto size = static_cast<std::int64_t>(fs::file_size(path));
  for (const std::int64_t at :
       {std::int64_t{0}, std::int64_t{9}, std::int64_t{17}, std::int64_t{40}, size / 2, size - 1}) {
    flip(path, at);
    EXPECT_FALSE(loads()) << at;
    flip(path, at);
    EXPECT_TRUE(loads()) << at;
  }
}

TEST_F(PackedCacheTest, DoesNotTakeAFileCutShortForWhole) {
  const fs::path path = stored();
  const auto size = fs::file_size(path);
  for (const std::uintmax_t kept : {size - 1, size / 2, std::uintmax_t{30}, std::uintmax_t{0}}) {
    fs::resize_file(path, kept);
    EXPECT_FALSE(loads()) << kept;
  }
}

TEST_F(PackedCacheTest, IsNotUsedWhenOthersMayWriteToIt) {
  const fs::path path = stored();
  fs::permissions(path, fs::perms::others_write, fs::perm_options::add);
  EXPECT_FALSE(loads());
  fs::permissions(path, fs::perms::others_write, fs::perm_options::remove);
  EXPECT_TRUE(loads());
  fs::permissions(folder_, fs::perms::group_write, fs::perm_options::add);
  EXPECT_FALSE(loads());
  EXPECT_FALSE(cache().store("layout", image_));
}

TEST_F(PackedCacheTest, IsNotUsedWhenItBelongsToAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const fs::path path = stored();
  ASSERT_EQ(::chown(path.c_str(), 12345, -1), 0);
  EXPECT_FALSE(loads());
  ASSERT_EQ(::chown(path.c_str(), 0, -1), 0);
  ASSERT_EQ(::chown(folder_.c_str(), 12345, -1), 0);
  EXPECT_FALSE(loads());
}

TEST_F(PackedCacheTest, IsNoLinkToSomethingElse) {
  const fs::path path = stored();
  fs::rename(path, scratch_ / "other");
  fs::create_symlink(scratch_ / "other", path);
  EXPECT_FALSE(loads());
}

TEST_F(PackedCacheTest, LeavesNothingBehindWhereItCannotWrite) {
  folder_ = scratch_.file("file", "not a folder") / "cache";
  EXPECT_FALSE(cache().store("layout", image_));
  EXPECT_FALSE(loads());
}

TEST_F(PackedCacheTest, IsWholeWhateverTwoWritersDoAtOnce) {
  const auto write = [&] {
    ThreadPool pool(1);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(PackedCache(folder_, {source_}, pool).store("layout", image_));
  };
  std::thread other(write);
  write();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(loads());
  other.join();
  EXPECT_TRUE(loads());
  EXPECT_EQ(files(), 1u);
}

}  // namespace
}  // namespace ganglion::checkpoint
