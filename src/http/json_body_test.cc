#include "http/json_body.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"

namespace ganglion::http {
namespace {

std::string refusal(const std::string& body) {
  try {
    parse_json_body(body);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

TEST(JsonBody, ReadsAnObject) { EXPECT_EQ(parse_json_body(R"({"a":[1,"x\n"]})")["a"][1], "x\n"); }

TEST(JsonBody, AMillionLevelsAreRefusedBeforeParsing) {
  EXPECT_EQ(refusal(std::string(1'000'000, '[')),
            "[request] the body is nested 1000000 deep; at most 128 levels are read");
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  EXPECT_NE(refusal(objects).find("nested 1000000 deep"), std::string::npos);
}

TEST(JsonBody, BracketsInStringsAreNotNesting) {
  EXPECT_EQ(parse_json_body("\"" + std::string(1000, '[') + "\\\"" + "\"").get<std::string>().size(), 1001u);
}

TEST(JsonBody, AnEmptyBodyIsCalledEmpty) {
  EXPECT_NE(refusal("").find("empty"), std::string::npos);
  EXPECT_NE(refusal(" \r\n").find("empty"), std::string::npos);
}

TEST(JsonBody, WhatIsNotJsonIsRefusedWithTheByte) {
  EXPECT_EQ(refusal("{\"a\":}"), "[request] the body is not valid JSON (at byte 6 of 6); wanted a JSON object");
  for (const char* bad :
       {"hello", "{\"a\":1} x", "NaN", "[Infinity]", "{'a':1}", "[1,]", "\"\\ud800\"", "01", "{\"a\" 1}", "// x"}) {
    EXPECT_NE(refusal(bad).find("not valid JSON"), std::string::npos) << bad;
  }
}

TEST(JsonBody, InvalidUtf8IsNamed) {
  for (const char* bad : {"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf8\x88\x80\x80\x80\"", "\"\xe2\x82\""}) {
    EXPECT_NE(refusal(bad).find("not valid UTF-8"), std::string::npos) << bad;
  }
}

TEST(JsonBody, NumbersBeyondDoublesAreRefused) { EXPECT_NE(refusal("[1e400]").find("too large"), std::string::npos); }

}  // namespace
}  // namespace ganglion::http
