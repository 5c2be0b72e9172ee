#include "http/message.h"

#include <gtest/gtest.h>

namespace ganglion::http {
namespace {

TEST(HttpMessage, HeadersAreFoundWithoutCase) {
  Headers headers;
  headers.add("Content-Type", "text/plain");
  EXPECT_EQ(headers.get("content-type"), "text/plain");
  headers.set("CONTENT-TYPE", "application/json");
  EXPECT_EQ(headers.count("content-type"), 1u);
  EXPECT_EQ(headers.get("Content-Type"), "application/json");
  EXPECT_FALSE(headers.get("accept").has_value());
}

TEST(HttpMessage, TargetsAreSplitAndQueriesDecoded) {
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
  ASSERT_TRUE(parse_target("/a%2Fb?x=1%202&y=a+b&flag&=&z=%C3%A9", path, query));
  EXPECT_EQ(path, "/a%2Fb");
  const std::vector<std::pair<std::string, std::string>> wanted = {
      {"x", "1 2"}, {"y", "a b"}, {"flag", ""}, {"", ""}, {"z", "é"}};
  EXPECT_EQ(query, wanted);
}

TEST(HttpMessage, AbsoluteTargetsLoseTheirAuthority) {
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
  ASSERT_TRUE(parse_target("http://host:8080/ping?x=http://y", path, query));
  EXPECT_EQ(path, "/ping");
  ASSERT_TRUE(parse_target("/redirect?to=http://y/z", path, query));
  EXPECT_EQ(path, "/redirect");
}

TEST(HttpMessage, BrokenEscapesAreRefused) {
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
  EXPECT_FALSE(parse_target("/a%", path, query));
  EXPECT_FALSE(parse_target("/a%4", path, query));
  EXPECT_FALSE(parse_target("/a?x=%zz", path, query));
}

TEST(HttpMessage, ListTokensAreFoundBetweenCommas) {
  EXPECT_TRUE(list_has_token("keep-alive, Close", "close"));
  EXPECT_FALSE(list_has_token("closed", "close"));
}

}  // namespace
}  // namespace ganglion::http
