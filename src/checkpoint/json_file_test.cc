#include "checkpoint/json_file.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/scratch_folder.h"

namespace ganglion::checkpoint {
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

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

TEST(JsonFile, ReadsAFile) {
  const ScratchFolder folder;
  EXPECT_EQ(read_json(folder.file("config.json", R"({"hidden_size": 64})"))["hidden_size"], 64);
}

TEST(JsonFile, NestingOfSixtyFourIsReadAndOneMoreIsRefused) {
  EXPECT_TRUE(parse_json(nested(64), "x").is_array());
  expect_refused([] { parse_json(nested(65), "x"); }, Code::kDataCorrupt, "more than 64 deep");
  expect_refused([] { parse_json(std::string(1000000, '['), "x"); }, Code::kDataCorrupt, "more than 64 deep");
  std::string objects;
  for (int i = 0; i < 1000000; ++i) objects += "{\"a\":";
  expect_refused([&] { parse_json(objects, "x"); }, Code::kDataCorrupt, "more than 64 deep");
}

TEST(JsonFile, AFileOverTheLimitIsRefusedBeforeItIsRead) {
  const ScratchFolder folder;
  const auto path = folder.file("config.json", "[1, 2, 3]");
  expect_refused([&] { read_json(path, {.bytes = 4}); }, Code::kResourceExhausted, "config.json");
  expect_refused([] { parse_json("[1, 2]", "x", {.bytes = 4}); }, Code::kResourceExhausted, "at most 4");
}

TEST(JsonFile, WhatIsNotJsonOrNotUtf8IsRefusedByPath) {
  const ScratchFolder folder;
  expect_refused([&] { read_json(folder.file("a.json", "")); }, Code::kDataCorrupt, "a.json is not JSON");
  expect_refused([&] { read_json(folder.file("b.json", "{\"a\": \"\xff\"}")); }, Code::kDataCorrupt,
                 "b.json is not JSON");
  expect_refused([] { parse_json("{} {}", "x"); }, Code::kDataCorrupt, "x is not JSON");
  expect_refused([] { parse_json(std::string("{}\0{", 4), "x"); }, Code::kDataCorrupt, "zero byte");
  expect_refused([] { parse_json("1e999", "x"); }, Code::kDataCorrupt, "x is not JSON");
}

TEST(JsonFile, AKeyThatComesTwiceIsRefusedWhenAskedTo) {
  EXPECT_EQ(parse_json(R"({"a":1,"a":2})", "x")["a"], 2);
  expect_refused([] { parse_json(R"({"a":{"b":1,"b":2}})", "x", {.refuse_duplicates = true}); }, Code::kDataCorrupt,
                 "\"b\" twice");
  EXPECT_EQ(parse_json(R"({"a":{"a":1},"b":[{"a":1},{"a":1}]})", "x", {.refuse_duplicates = true}).size(), 2u);
}

}  // namespace
}  // namespace ganglion::checkpoint
