#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

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
