#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace ganglion {
namespace {

std::filesystem::path scratch(const std::string& name) {
  return std::filesystem::temp_directory_path() / ("ganglion_file_test_" + std::to_string(::getpid()) + "_" + name);
}

TEST(File, ReadsExactlyWhatWasAskedFor) {
  const auto path = scratch("read");
  std::ofstream(path) << "0123456789";
  char out[4] = {};
  File::open(path).read(3, out, 3);
  EXPECT_STREQ(out, "345");
  std::filesystem::remove(path);
}

TEST(File, GivesItsBytesInPlace) {
  const auto path = scratch("in_place");
  std::ofstream(path) << std::string(100000, 'x') << "0123456789";
  const File file = File::open(path);
  std::string seen(4, ' ');
  EXPECT_TRUE(file.read_in_place(100003, 4, [&](const std::byte* bytes) { std::memcpy(seen.data(), bytes, 4); }));
  EXPECT_EQ(seen, "3456");
  std::filesystem::remove(path);
}

TEST(File, AFileTruncatedWhileItIsReadInPlaceIsAnErrorNotASignal) {
  const auto path = scratch("truncated_in_place");
  std::ofstream(path) << std::string(100000, 'x');
  const File file = File::open(path);
  for (const bool touched_before : {false, true}) {
    volatile bool reached = false;
    int sum = 0;
    const auto work = [&](const std::byte* bytes) {
      if (touched_before) std::filesystem::resize_file(path, 10);
      for (int i = 0; i < 40000; i += 512) sum += std::to_integer<int>(bytes[i]);
      reached = true;
    };
    if (!touched_before) std::filesystem::resize_file(path, 10);
    try {
      file.read_in_place(50000, 40000, work);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kDataCorrupt);
    }
    EXPECT_FALSE(reached);
    std::filesystem::resize_file(path, 100000);
  }
  // And when it is whole again, so is reading.
  EXPECT_TRUE(file.read_in_place(50000, 40000, [](const std::byte* bytes) { EXPECT_EQ(bytes[39999], std::byte{0}); }));
  std::filesystem::remove(path);
}

using FileDeath = ::testing::Test;
TEST(FileDeath, ABusErrorThatIsNotOfAReadInPlaceStillEndsTheProcess) {
  const auto path = scratch("not_ours");
  std::ofstream(path) << "0123456789";
  const File file = File::open(path);
  file.read_in_place(0, 10, [](const std::byte*) {});
  // By the signal; a sanitizer, whose handler was there before, ends it its own way.
  EXPECT_EXIT(
      ::raise(SIGBUS), [](int status) { return status != 0; }, "");
  std::filesystem::remove(path);
}

TEST(File, AFileTruncatedAfterItWasOpenedIsAnErrorNotASignal) {
  const auto path = scratch("truncated");
  std::ofstream(path) << std::string(100000, 'x');
  const File file = File::open(path);
  std::filesystem::resize_file(path, 10);
  char out[100];
  try {
    file.read(50000, out, sizeof(out));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kDataCorrupt);
  }
  std::filesystem::remove(path);
}

TEST(File, AMissingFileAFolderAndAFifoAreRefusedWithTheirCode) {
  try {
    File::open("/no/such/file");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kNotFound);
  }
  EXPECT_THROW(File::open("/tmp"), Error);
  const auto path = scratch("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_THROW(File::open(path), Error);
  std::filesystem::remove(path);
}

TEST(File, ReadTextRefusesAFileOverTheLimitBeforeReadingIt) {
  const auto path = scratch("large");
  std::ofstream(path) << "too long";
  EXPECT_EQ(read_text(path), "too long");
  EXPECT_THROW(read_text(path, 3), Error);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace ganglion
