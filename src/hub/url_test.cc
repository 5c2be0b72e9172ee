#include "hub/url.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ganglion::hub {
namespace {

std::string refusal(std::string_view text) {
  try {
    Url::parse(text, "test");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

TEST(Url, TakesAUrlApartAndPutsItTogether) {
  const Url url = Url::parse("HTTPS://Hub.Example:8443/a%20b/c.zip?x=1&y=%2F#part", "test");
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "hub.example");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.path, "/a%20b/c.zip");
  EXPECT_EQ(url.query, "x=1&y=%2F");
  EXPECT_EQ(url.text(), "https://hub.example:8443/a%20b/c.zip?x=1&y=%2F");
  EXPECT_EQ(Url::parse("http://h", "test").text(), "http://h/");
  EXPECT_EQ(Url::parse("http://h?q", "test").text(), "http://h/?q");
  EXPECT_EQ(Url::parse("http://[::1]:80/x", "test").text(), "http://[::1]/x");
  EXPECT_EQ(Url::parse("https://h:443/", "test").authority(), "h");
}

TEST(Url, WhatIsShownHasNoQuery) {
  EXPECT_EQ(Url::parse("https://h/a?X-Amz-Signature=secret", "test").shown(), "https://h/a");
}

TEST(Url, EncodesWhatMustNotStandInAUrl) {
  EXPECT_EQ(Url::parse("http://h/a b/\xC3\xA9?q=\"x\"", "test").text(), "http://h/a%20b/%C3%A9?q=%22x%22");
}

TEST(Url, RemovesDotsFromThePath) {
  EXPECT_EQ(Url::parse("http://h/a/./b/../c/..", "test").path, "/a/");
  EXPECT_EQ(Url::parse("http://h/../../x", "test").path, "/x");
  EXPECT_EQ(Url::parse("http://h/a//b", "test").path, "/a//b");
}

TEST(Url, RefusesWhatIsNoHttpUrlWithoutRepeatingIt) {
  for (const char* text :
       {"", "h", "ftp://h/", "file:///etc/passwd", "http://", "http:///x", "http://h:0/", "http://h:99999/",
        "http://h:1x/", "http://h\n/", "http://a b/", "http://[::1/", "http://[zz]/", "http://[::1]x/"}) {
    EXPECT_NE(refusal(text), "accepted") << text;
  }
  const std::string with_password = refusal("https://me:secret@h/");
  EXPECT_NE(with_password.find("user name"), std::string::npos);
  EXPECT_EQ(with_password.find("secret"), std::string::npos);
}

TEST(Url, ResolvesReferencesAsRfc3986Does) {
  const Url base = Url::parse("http://a/b/c/d;p?q", "test");
  for (const auto& [reference, wanted] : std::vector<std::pair<const char*, const char*>>{
           {"g", "http://a/b/c/g"},
           {"./g", "http://a/b/c/g"},
           {"g/", "http://a/b/c/g/"},
           {"/g", "http://a/g"},
           {"//g", "http://g/"},
           {"?y", "http://a/b/c/d;p?y"},
           {"g?y", "http://a/b/c/g?y"},
           {"#s", "http://a/b/c/d;p?q"},
           {"", "http://a/b/c/d;p?q"},
           {"..", "http://a/b/"},
           {"../g", "http://a/b/g"},
           {"../../../g", "http://a/g"},
           {"https://z/y", "https://z/y"},
       }) {
    EXPECT_EQ(base.resolve(reference, "test").text(), wanted) << reference;
  }
  EXPECT_THROW(base.resolve("javascript:x", "test"), Error);
  EXPECT_THROW(base.resolve("/a\r\nX: y", "test"), Error);
}

TEST(Url, OriginsAreSchemeHostAndPort) {
  const Url url = Url::parse("https://h/a", "test");
  EXPECT_TRUE(url.same_origin(Url::parse("https://H:443/b", "test")));
  EXPECT_FALSE(url.same_origin(Url::parse("http://h/a", "test")));
  EXPECT_FALSE(url.same_origin(Url::parse("https://h:444/a", "test")));
  EXPECT_FALSE(url.same_origin(Url::parse("https://h.example/a", "test")));
}

TEST(Url, PercentEncodingRoundTrips) {
  const std::string text = "a/b c+d=\xE1\x88\xB4~%.";
  EXPECT_EQ(percent_encode(text, true), "a/b%20c%2Bd%3D%E1%88%B4~%25.");
  EXPECT_EQ(percent_encode("a/b", false), "a%2Fb");
  EXPECT_EQ(percent_decode(percent_encode(text, false), "test"), text);
  for (const char* broken : {"%", "%2", "%zz", "%00", "a%"})
    EXPECT_THROW(percent_decode(broken, "test"), Error) << broken;
}

}  // namespace
}  // namespace ganglion::hub
