#include "hub/partial_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "hub/lock_file.h"
#include "hub/transfer.h"

namespace ganglion::hub {
namespace {

namespace fs = std::filesystem;

class PartialFileTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  const fs::path folder_ = fs::path(::testing::TempDir()) / ("partial_file_test_" + std::to_string(::getpid()));
};

TEST_F(PartialFileTest, GoesOnWhereAnEarlierOneEnded) {
  { PartialFile(folder_ / "x.incomplete").append("hello "); }
  PartialFile file(folder_ / "x.incomplete");
  EXPECT_EQ(file.size(), 6u);
  file.append("world");
  Hasher hasher(HashKind::kSha256);
  file.hash(hasher, file.size(), [] { return false; });
  EXPECT_EQ(hasher.finish(), sha256_hex("hello world"));
  file.finish(folder_ / "x");
  EXPECT_EQ(read_text(folder_ / "x"), "hello world");
  EXPECT_FALSE(fs::exists(folder_ / "x.incomplete"));
}

TEST_F(PartialFileTest, IsNeverWrittenThroughALink) {
  fs::create_symlink(folder_ / "target", folder_ / "x.incomplete");
  EXPECT_THROW(PartialFile(folder_ / "x.incomplete"), Error);
  EXPECT_FALSE(fs::exists(folder_ / "target"));
  fs::create_directory(folder_ / "y.incomplete");
  EXPECT_THROW(PartialFile(folder_ / "y.incomplete"), Error);
}

TEST_F(PartialFileTest, SpaceIsAskedForBeforeItIsFilled) {
  const auto little = [](const fs::path&) { return std::uint64_t{1'000'000}; };
  check_space(folder_, 1'000'000, little);
  try {
    check_space(folder_, 2'600'000'000, little);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kResourceExhausted);
    EXPECT_NE(std::string(error.what()).find("has 1.0 MB free: 2.6 GB are wanted"), std::string::npos) << error.what();
  }
  EXPECT_GT(free_bytes(folder_ / "not" / "there" / "yet"), 0u);
}

TEST_F(PartialFileTest, ALockIsTakenByOneAtATime) {
  Options options;
  options.http.stall_timeout = std::chrono::seconds(0);
  const auto still = [] { return std::uint64_t{0}; };
  {
    const LockFile first(folder_ / "locks" / "a.lock", options, still);
    try {
      const LockFile second(folder_ / "locks" / "a.lock", options, still);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kDeadlineExceeded);
    }
    options.cancelled = [] { return true; };
    options.http.stall_timeout = std::chrono::seconds(30);
    try {
      const LockFile second(folder_ / "locks" / "a.lock", options, still);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kCancelled);
    }
  }
  const LockFile third(folder_ / "locks" / "a.lock", options, still);
}

TEST(ContentRange, IsReadStrictly) {
  const auto range = parse_content_range("bytes 5-9/10");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->begin, 5u);
  EXPECT_EQ(range->end, 10u);
  EXPECT_EQ(range->total, 10u);
  EXPECT_EQ(parse_content_range("bytes 0-0/*")->total, std::nullopt);
  for (const char* text : {"", "bytes", "bytes 5-4/10", "bytes 5-10/10", "bytes */10", "bytes 5-/10", "bytes -5/10",
                           "bytes 5-9", "items 5-9/10", "bytes 5-9/x", "bytes 0-18446744073709551615/*"}) {
    EXPECT_FALSE(parse_content_range(text)) << text;
  }
}

TEST(Hash, KnowsThePublishedDigests) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Hasher sha1(HashKind::kSha1), md5(HashKind::kMd5);
  sha1.update("abc");
  md5.update("abc");
  EXPECT_EQ(sha1.finish(), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(md5.finish(), "900150983cd24fb0d6963f7d28e17f72");
  // RFC 4231, case 2.
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

}  // namespace
}  // namespace ganglion::hub
