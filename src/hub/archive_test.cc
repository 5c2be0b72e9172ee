#include "hub/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "base/file.h"

namespace ganglion::hub {
namespace {

namespace fs = std::filesystem;

struct Item {
  std::string name;
  std::string data = "";
  mode_t type = AE_IFREG;
  std::string link = "";
  std::string hardlink = "";
};

class ArchiveTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(out_); }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path make(const std::vector<Item>& items, bool zip = false) {
    const fs::path file = folder_ / (zip ? "x.zip" : "x.tar.gz");
    archive* writer = archive_write_new();
    if (zip) {
      archive_write_set_format_zip(writer);
    } else {
      archive_write_set_format_gnutar(writer);
      archive_write_add_filter_gzip(writer);
    }
    EXPECT_EQ(archive_write_open_filename(writer, file.c_str()), ARCHIVE_OK);
    for (const Item& item : items) {
      archive_entry* entry = archive_entry_new();
      archive_entry_set_pathname(entry, item.name.c_str());
      archive_entry_set_filetype(entry, item.type);
      archive_entry_set_perm(entry, 04777);
      archive_entry_set_size(entry, static_cast<la_int64_t>(item.data.size()));
      if (!item.link.empty()) archive_entry_set_symlink(entry, item.link.c_str());
      if (!item.hardlink.empty()) archive_entry_set_hardlink(entry, item.hardlink.c_str());
      EXPECT_GE(archive_write_header(writer, entry), ARCHIVE_WARN) << archive_error_string(writer);
      if (!item.data.empty()) archive_write_data(writer, item.data.data(), item.data.size());
      archive_entry_free(entry);
    }
    archive_write_close(writer);
    archive_write_free(writer);
    return file;
  }

  Code refusal(const std::vector<Item>& items, const ArchiveLimits& limits = {}) {
    fs::remove_all(out_);
    fs::create_directories(out_);
    try {
      unpack(make(items), out_, limits, [] { return false; });
    } catch (const Error& error) {
      message_ = error.what();
      return error.code();
    }
    ADD_FAILURE() << "accepted " << items.front().name;
    return Code::kInternal;
  }

  const fs::path folder_ = fs::path(::testing::TempDir()) / ("archive_test_" + std::to_string(::getpid()));
  const fs::path out_ = folder_ / "a" / "out";
  std::string message_;
};

TEST_F(ArchiveTest, UnpacksZipAndTarWithPlainModes) {
  for (const bool zip : {false, true}) {
    fs::remove_all(out_);
    fs::create_directories(out_);
    unpack(
        make(
            {{"./model/", "", AE_IFDIR}, {"./model/config.json", "{}"}, {"model/sub/w.bin", std::string(300'000, 'w')}},
            zip),
        out_, {}, [] { return false; });
    EXPECT_EQ(read_text(out_ / "model/config.json"), "{}");
    EXPECT_EQ(fs::file_size(out_ / "model/sub/w.bin"), 300'000u);
    struct stat status {};
    ASSERT_EQ(::stat((out_ / "model/config.json").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07133, 0u);
    EXPECT_EQ(model_folder_in(out_), out_ / "model");
  }
}

TEST_F(ArchiveTest, LinksInsideAreMade) {
  unpack(make({{"blobs/e", "data"},
               {"snapshots/c/model", "", AE_IFLNK, "../../blobs/e"},
               {"current", "", AE_IFLNK, "snapshots/c"},
               {"same", "", AE_IFREG, "", "blobs/e"}}),
         out_, {}, [] { return false; });
  EXPECT_EQ(read_text(out_ / "current/model"), "data");
  EXPECT_EQ(read_text(out_ / "same"), "data");
}

TEST_F(ArchiveTest, WhatWouldLieOutsideIsRefused) {
  for (const char* name : {"../x", "a/../../x", "/tmp/ganglion_archive_test", "a/./../x"}) {
    EXPECT_EQ(refusal({{name, "x"}}), Code::kDataCorrupt) << name;
  }
  for (const char* target : {"/etc", "..", "../x", "a/../..", "a/..", ""}) {
    if (*target == '\0') continue;
    EXPECT_EQ(refusal({{"link", "", AE_IFLNK, target}}), Code::kDataCorrupt) << target;
  }
  EXPECT_EQ(refusal({{"deep/d", "", AE_IFLNK, ".."}, {"e", "", AE_IFLNK, "deep/d/../x"}}), Code::kDataCorrupt);
  EXPECT_EQ(refusal({{"copy", "", AE_IFREG, "", "../../secret"}}), Code::kDataCorrupt);
  EXPECT_EQ(refusal({{"copy", "", AE_IFREG, "", "/etc/passwd"}}), Code::kDataCorrupt);
  EXPECT_FALSE(fs::exists(folder_ / "x") || fs::exists(folder_ / "a" / "x"));
}

TEST_F(ArchiveTest, NothingIsWrittenThroughALink) {
  EXPECT_EQ(refusal({{"d", "", AE_IFLNK, "e"}, {"d", "file"}}), Code::kDataCorrupt);
  EXPECT_EQ(refusal({{"d", "", AE_IFLNK, "e"}, {"e/x", "file"}, {"d/y", "", AE_IFLNK, "z"}}), Code::kDataCorrupt);
}

TEST_F(ArchiveTest, OtherKindsOfEntriesAndDuplicatesAreRefused) {
  EXPECT_EQ(refusal({{"fifo", "", AE_IFIFO}}), Code::kDataCorrupt);
  EXPECT_EQ(refusal({{"device", "", AE_IFCHR}}), Code::kDataCorrupt);
  EXPECT_EQ(refusal({{"x", "1"}, {"x", "2"}}), Code::kDataCorrupt);
  EXPECT_NE(message_.find("comes twice"), std::string::npos);
  EXPECT_EQ(refusal({{"x", "1"}, {"x/y", "2"}}), Code::kDataCorrupt);
}

TEST_F(ArchiveTest, SizesCountsAndRatiosAreBounded) {
  EXPECT_EQ(refusal({{"a", std::string(1000, 'a')}, {"b", std::string(1000, 'b')}}, {.bytes = 1999}),
            Code::kResourceExhausted);
  EXPECT_EQ(refusal({{"a", "1"}, {"b", "2"}, {"c", "3"}}, {.entries = 2}), Code::kResourceExhausted);
  EXPECT_EQ(refusal({{"zeros", std::string(65u << 20, '\0')}}), Code::kResourceExhausted);
  EXPECT_NE(message_.find("made to fill disks"), std::string::npos);
}

TEST_F(ArchiveTest, BrokenArchivesAreRefused) {
  const fs::path file = make({{"a", std::string(100'000, 'a')}, {"b", "bbbb"}});
  fs::resize_file(file, fs::file_size(file) / 2);
  EXPECT_THROW(unpack(file, out_, {}, [] { return false; }), Error);
  std::ofstream(file) << "<!DOCTYPE html><html></html>";
  EXPECT_THROW(unpack(file, out_, {}, [] { return false; }), Error);
  std::ofstream(file, std::ios::trunc) << "";
  EXPECT_THROW(unpack(file, out_, {}, [] { return false; }), Error);
}

TEST_F(ArchiveTest, StopsWhenCancelled) {
  try {
    unpack(make({{"a", "1"}}), out_, {}, [] { return true; });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kCancelled);
  }
}

TEST_F(ArchiveTest, AFailureThatLibarchiveHasNoWordsForIsDamageToo) {
  const fs::path file = fs::path(GANGLION_SOURCE_DIR) / "tests/corpus/archive_fuzz/without_words.gz";
  try {
    unpack(file, out_, {}, [] { return false; });
    FAIL() << "was unpacked";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kDataCorrupt);
    EXPECT_NE(std::string(error.what()).find("cannot be read"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ganglion::hub
