#include "base/json.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace ganglion {
namespace {

void expect_refused(const std::function<void()>& action, Code code, const std::string& part) {
  try {
    action();
    FAIL() << "was read; wanted: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

// A file that is removed with the object.
class ScratchFile {
 public:
  explicit ScratchFile(const std::string& text) { std::ofstream(path_) << text; }
  ~ScratchFile() { std::filesystem::remove(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / ("ganglion_json_test_" + std::to_string(::getpid()) + ".json");
};

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

TEST(Json, ReadsAFile) {
  const ScratchFile file(R"({"hidden_size": 64})");
  EXPECT_EQ(read_json(file.path())["hidden_size"], 64);
}

TEST(Json, NestingOfSixtyFourIsReadAndOneMoreIsRefused) {
  EXPECT_TRUE(parse_json(nested(64), "x").is_array());
  expect_refused([] { parse_json(nested(65), "x"); }, Code::kDataCorrupt, "deeper than 64");
  expect_refused([] { parse_json(std::string(1000000, '['), "x"); }, Code::kDataCorrupt, "deeper than 64");
  std::string objects;
  for (int i = 0; i < 1000000; ++i) objects += "{\"a\":";
  expect_refused([&] { parse_json(objects, "x"); }, Code::kDataCorrupt, "deeper than 64");
}

TEST(Json, AFileOverTheLimitIsRefusedBeforeItIsRead) {
  const ScratchFile file("[1, 2, 3]");
  expect_refused([&] { read_json(file.path(), {.bytes = 4}); }, Code::kResourceExhausted, ".json");
  expect_refused([] { parse_json("[1, 2]", "x", {.bytes = 4}); }, Code::kResourceExhausted, "at most 4");
}

TEST(Json, WhatIsNotJsonOrNotUtf8IsRefusedByPath) {
  const ScratchFile empty("");
  expect_refused([&] { read_json(empty.path()); }, Code::kDataCorrupt, ".json] is not valid JSON");
  expect_refused([] { parse_json("{\"a\": \"\xff\"}", "x"); }, Code::kDataCorrupt, "[x] is not valid UTF-8");
  expect_refused([] { parse_json("NaN", "x", {.malformed = Code::kInvalidArgument}); }, Code::kInvalidArgument,
                 "[x] is not valid JSON");
  expect_refused([] { parse_json("{} {}", "x"); }, Code::kDataCorrupt, "[x] is not valid JSON");
  expect_refused([] { parse_json(std::string("{}\0{", 4), "x"); }, Code::kDataCorrupt, "byte 2 is zero");
  expect_refused([] { parse_json("1e999", "x"); }, Code::kDataCorrupt, "too large");
}

TEST(Json, BracketsInStringsAreNotNestingAndValuesAreCounted) {
  EXPECT_EQ(parse_json("\"" + std::string(1000, '[') + "\"", "x").get<std::string>().size(), 1000u);
  expect_refused([] { parse_json("[1,2,3]", "x", {.values = 2}); }, Code::kDataCorrupt, "more than 2 values");
}

TEST(Json, AKeyThatComesTwiceIsRefusedWhenAskedTo) {
  EXPECT_EQ(parse_json(R"({"a":1,"a":2})", "x")["a"], 2);
  expect_refused([] { parse_json(R"({"a":{"b":1,"b":2}})", "x", {.refuse_duplicates = true}); }, Code::kDataCorrupt,
                 "\"b\" twice");
  EXPECT_EQ(parse_json(R"({"a":{"a":1},"b":[{"a":1},{"a":1}]})", "x", {.refuse_duplicates = true}).size(), 2u);
}

}  // namespace
}  // namespace ganglion
