#include "checkpoint/packed_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/thread_pool.h"
#include "checkpoint/packed_cache.h"
#include "checkpoint/scratch_folder.h"

namespace ganglion::checkpoint {
namespace {

namespace fs = std::filesystem;

class PackedFolderTest : public testing::Test {
 protected:
  // An image of 1,000 bytes that was last used so many hours ago.
  fs::path image(char digit, int hours) {
    const fs::path path = scratch_.file(std::string(32, digit) + ".weights", "gnglpack" + std::string(992, 'x'));
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(hours));
    return path;
  }
  // First characters of the names of what is there.
  std::string there() const {
    std::set<char> names;
    for (const auto& entry : fs::directory_iterator(scratch_.path())) names.insert(entry.path().filename().string()[0]);
    return {names.begin(), names.end()};
  }
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(scratch_.path()), fs::directory_iterator()));
  }

  ScratchFolder scratch_;
};

TEST_F(PackedFolderTest, WhatWasNotUsedForLongestGoesUntilTheRestFits) {
  image('a', 3);
  image('b', 5);
  image('c', 1);
  make_room(scratch_.path(), 3000, 0, "");
  EXPECT_EQ(there(), "abc");
  make_room(scratch_.path(), 3000, 1000, "");
  EXPECT_EQ(there(), "ac");
  make_room(scratch_.path(), 1999, 0, "");
  EXPECT_EQ(there(), "c");
  make_room(scratch_.path(), 0, 1 << 30, "");
  EXPECT_EQ(there(), "c");
}

TEST_F(PackedFolderTest, WhatIsUsedStaysAndWhatIsKeptIsNeitherCountedNorDeleted) {
  const fs::path old = image('a', 9);
  image('b', 1);
  mark_used(old);
  make_room(scratch_.path(), 1000, 0, "");
  EXPECT_EQ(there(), "a");
  image('c', 50);
  make_room(scratch_.path(), 1000, 0, scratch_ / (std::string(32, 'c') + ".weights"));
  EXPECT_EQ(there(), "ac");
}

TEST_F(PackedFolderTest, AnImageLargerThanTheFolderMayBecomeIsRefusedAndDrivesNothingOut) {
  image('a', 1);
  try {
    make_room(scratch_.path(), 1000, 1001, "");
    FAIL() << "was let in";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kResourceExhausted);
    EXPECT_NE(std::string(error.what()).find("GANGLION_WEIGHT_CACHE_SIZE"), std::string::npos);
  }
  EXPECT_EQ(there(), "a");
}

TEST_F(PackedFolderTest, NothingIsDeletedThatItDidNotWrite) {
  const std::string name(31, '0');
  scratch_.file("1" + name + ".weights", std::string(1000, 'x'));  // begins otherwise
  scratch_.file("2" + name + ".safetensors", "gnglpack");          // is named otherwise
  scratch_.file("model.weights", "gnglpack");                      // likewise
  fs::create_directory(scratch_ / ("3" + name + ".weights"));      // a folder
  fs::permissions(image('4', 5), fs::perms::others_write, fs::perm_options::add);
  const ScratchFolder elsewhere;
  fs::create_symlink(elsewhere.file("x", "gnglpack"), scratch_ / ("5" + name + ".weights"));
  scratch_.file("6" + name + ".1.unfinished", "");
  scratch_.file("7" + name + ".x.01234567.unfinished", "");
  scratch_.file("notes.unfinished", "");
  if (::geteuid() == 0) {  // who alone can give a file away
    ASSERT_EQ(::chown(image('8', 5).c_str(), 12345, -1), 0);
  }
  const std::size_t before = count();
  make_room(scratch_.path(), 1, 0, "");
  EXPECT_EQ(count(), before);
}

TEST_F(PackedFolderTest, WhatADeadWriterLeftIsDeletedAndWhatALivingOneWritesIsNot) {
  const fs::path target = scratch_ / (std::string(32, 'a') + ".weights");
  const pid_t child = ::fork();
  if (child == 0) {
    auto* image = new UnfinishedImage(target);  // never destroyed: the process is killed
    image->write(0, "gnglpack", 8);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(count(), 1u);
  UnfinishedImage living(target);
  EXPECT_EQ(count(), 2u);
  make_room(scratch_.path(), 0, 0, "");
  EXPECT_EQ(count(), 1u);
  living.write(0, "gnglpack", 8);
  living.finish();
  EXPECT_TRUE(fs::exists(target));
  EXPECT_EQ(count(), 1u);
}

TEST_F(PackedFolderTest, StaysWithinItsSizeAndWholeWhateverSeveralWritersDoAtOnce) {
  const fs::path source = scratch_.file("source", std::string(1000, 'w')), folder = scratch_ / "packed";
  constexpr std::size_t kBytes = 100'000;
  constexpr std::uint64_t kMost = 250'000;  // two images
  const auto work = [&](int writer) {
    ThreadPool pool(1);
    const PackedCache cache(folder, {source}, pool, kMost);
    for (int i = 0; i < 20; ++i) {
      const int value = (i + writer) % 5;
      const std::string layout = std::to_string(value);
      const std::vector<std::byte> image(kBytes, static_cast<std::byte>(value));
      EXPECT_TRUE(cache.store(layout, image));
      std::vector<std::byte> out(kBytes);
      EXPECT_TRUE(!cache.load(layout, out) || out == image);  // unless another has driven it out
    }
  };
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 3; ++writer) writers.emplace_back(work, writer);
  for (std::thread& writer : writers) writer.join();
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    EXPECT_EQ(entry.path().extension(), ".weights");
    bytes += entry.file_size();
  }
  EXPECT_LE(bytes, kMost);
  EXPECT_GE(bytes, kBytes);
}

TEST(PackedFolder, IsTheUsersOwnUnlessAnotherIsNamed) {
  EXPECT_EQ(packed_folder("off", "/x"), std::nullopt);
  EXPECT_EQ(packed_folder("", "/x"), std::nullopt);
  EXPECT_EQ(packed_folder("on", "/x"), "/x/ganglion");
  EXPECT_EQ(packed_folder("/data/packed", ""), "/data/packed");
  EXPECT_THROW(packed_folder("on", ""), Error);
}

TEST(PackedFolder, SizeIsANumberOfBytesWithAUnitOrWithout) {
  EXPECT_EQ(packed_folder_bytes("0", "x"), 0u);
  EXPECT_EQ(packed_folder_bytes("1000", "x"), 1000u);
  EXPECT_EQ(packed_folder_bytes("3K", "x"), 3072u);
  EXPECT_EQ(packed_folder_bytes("64G", "x"), std::uint64_t{64} << 30);
  for (const char* wrong : {"", "G", "1.5G", "-1", "64GB", "64g", "99999999T", "1 G"})
    EXPECT_THROW(packed_folder_bytes(wrong, "x"), Error) << wrong;
}

}  // namespace
}  // namespace ganglion::checkpoint
