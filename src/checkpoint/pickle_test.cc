#include "checkpoint/pickle.h"

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "base/error.h"

namespace ganglion::checkpoint::pickle {
namespace {

using namespace std::string_literals;

// What refuses pickles is tested with whole files, in torch_file_test.cc.
Pickle read_body(const std::string& body) {
  const std::string bytes = "\x80\x02"s + body + ".";
  return read(std::as_bytes(std::span(bytes)), "test");
}

const Value& root_of(const Pickle& pickle) { return pickle[pickle.root]; }

TEST(Pickle, ReadsIntegersOfEveryOpcode) {
  EXPECT_EQ(root_of(read_body("K\xff"s)).integer, 255);
  EXPECT_EQ(root_of(read_body("M\x01\x02"s)).integer, 0x201);
  EXPECT_EQ(root_of(read_body("J\xfe\xff\xff\xff"s)).integer, -2);
  EXPECT_EQ(root_of(read_body("\x8a\x00"s)).integer, 0);
  EXPECT_EQ(root_of(read_body("\x8a\x01\xff"s)).integer, -1);
  EXPECT_EQ(root_of(read_body("\x8a\x05\x00\x00\x00\x00\x01"s)).integer, std::int64_t{1} << 32);
  const Pickle large = read_body("\x8a\x09" + std::string(9, '\x7f'));
  EXPECT_EQ(root_of(large).kind, Kind::kLong);
  EXPECT_EQ(root_of(large).text.size(), 9u);
}

TEST(Pickle, ReadsTextsTuplesListsAndDictionaries) {
  const Pickle pickle = read_body("}(U\x01"s + "aK\x01K\x02\x86X\x01\0\0\0b](NM\x05\x00"s + "\x88" + "eu");
  const Value& root = root_of(pickle);
  ASSERT_EQ(root.kind, Kind::kDict);
  ASSERT_EQ(root.items.size(), 4u);
  EXPECT_EQ(pickle[root.items[0]].text, "a");
  EXPECT_EQ(pickle[root.items[1]].kind, Kind::kTuple);
  EXPECT_EQ(pickle[pickle[root.items[1]].items[1]].integer, 2);
  EXPECT_EQ(pickle[root.items[2]].text, "b");
  EXPECT_EQ(pickle[root.items[3]].items.size(), 3u);
}

TEST(Pickle, AMemoisedValueIsTheSameValue) {
  const Pickle pickle = read_body("]q\x05h\x05\x86"s);
  const Value& pair = root_of(pickle);
  EXPECT_EQ(pair.items[0], pair.items[1]);
}

TEST(Pickle, AnOrderedDictOfPairsIsADictionary) {  // as Python 2 wrote them
  const Pickle pickle =
      read_body("ccollections\nOrderedDict\n](](U\x01"s + "aK\x01"s + "e](U\x01"s + "bK\x02"s + "ee\x85R");
  const Value& root = root_of(pickle);
  ASSERT_EQ(root.kind, Kind::kDict);
  ASSERT_EQ(root.items.size(), 4u);
  EXPECT_EQ(pickle[root.items[2]].text, "b");
  EXPECT_EQ(pickle[root.items[3]].integer, 2);
}

TEST(Pickle, WhatFollowsItsEndIsLeftAlone) {
  const std::string bytes = "\x80\x02N.cos\nsystem\n"s;
  EXPECT_EQ(read(std::as_bytes(std::span(bytes)), "test").bytes, 4u);
}

TEST(Pickle, MoreValuesThanTheLimitAreRefused) {
  const auto refused = [](const std::string& body) {
    try {
      read_body(body);
      return false;
    } catch (const Error& error) {
      return error.code() == Code::kUnsupported;
    }
  };
  EXPECT_TRUE(refused("(" + std::string(kMostValues + 1, 'N') + "t"));
  // One list of pairs, made into a dictionary again and again: few bytes, many values.
  std::string pairs = "](";
  for (int i = 0; i < 1000; ++i) pairs += "NN\x86";
  std::string body = pairs + "e\x85q\x01"s + "ccollections\nOrderedDict\nq\x02"s;
  for (int i = 0; i < 3000; ++i) body += "h\x02h\x01R"s;
  EXPECT_TRUE(refused(body));
}

}  // namespace
}  // namespace ganglion::checkpoint::pickle
