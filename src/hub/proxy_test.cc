#include "hub/proxy.h"

#include <gtest/gtest.h>

namespace ganglion::hub {
namespace {

Url url(const std::string& text) { return Url::parse(text, "test"); }

TEST(NoProxy, NamesAHostAndAllBelowItButNoOtherWithTheSameEnding) {
  for (const char* entry :
       {"example.org", ".example.org", "*.example.org", "EXAMPLE.org", "x.net, example.org", "a b,example.org"}) {
    EXPECT_TRUE(is_exempt(url("http://example.org/"), entry)) << entry;
    EXPECT_TRUE(is_exempt(url("http://hub.example.org./"), entry)) << entry;
    EXPECT_FALSE(is_exempt(url("http://notexample.org/"), entry)) << entry;
    EXPECT_FALSE(is_exempt(url("http://example.org.evil.net/"), entry)) << entry;
  }
  EXPECT_TRUE(is_exempt(url("http://anything.net/"), "*"));
  for (const char* entry : {"", ",", " , ", "."}) EXPECT_FALSE(is_exempt(url("http://example.org/"), entry)) << entry;
}

TEST(NoProxy, NamesAPortOrAllOfThem) {
  EXPECT_TRUE(is_exempt(url("http://example.org:8080/"), "example.org"));
  EXPECT_TRUE(is_exempt(url("http://example.org:8080/"), "example.org:8080"));
  EXPECT_TRUE(is_exempt(url("https://example.org/"), "example.org:443"));
  EXPECT_FALSE(is_exempt(url("http://example.org/"), "example.org:8080"));
  EXPECT_TRUE(is_exempt(url("http://[2001:db8::1]:90/"), "[2001:db8::1]:90"));
  EXPECT_FALSE(is_exempt(url("http://[2001:db8::1]:91/"), "[2001:db8::1]:90"));
}

TEST(NoProxy, NamesAddressesAndNetworksByTheirNumbers) {
  EXPECT_TRUE(is_exempt(url("http://10.1.2.3/"), "10.1.2.3"));
  EXPECT_TRUE(is_exempt(url("http://10.1.2.3/"), "10.0.0.0/8"));
  EXPECT_TRUE(is_exempt(url("http://10.1.2.3/"), "0.0.0.0/0"));
  EXPECT_FALSE(is_exempt(url("http://11.1.2.3/"), "10.0.0.0/8"));
  EXPECT_FALSE(is_exempt(url("http://10.1.2.3/"), "2.3"));
  EXPECT_FALSE(is_exempt(url("http://10.1.2.3/"), "10.0.0.0/99"));
  EXPECT_FALSE(is_exempt(url("http://10.1.2.3/"), "10.0.0.0/x"));
  EXPECT_TRUE(is_exempt(url("http://[fd00::7]/"), "fd00::/8"));
  EXPECT_TRUE(is_exempt(url("http://[fd00::7]/"), "fd00:0:0::7"));
  EXPECT_FALSE(is_exempt(url("http://[fe80::7]/"), "fd00::/8"));
  EXPECT_FALSE(is_exempt(url("http://example.org/"), "0.0.0.0/0"));
}

TEST(Proxy, IsTheOneOfTheSchemeUnlessTheHostIsThisMachineOrExempt) {
  HttpOptions options;
  EXPECT_EQ(proxy_for(url("https://example.org/"), options), std::nullopt);
  options.http_proxy = "http://plain:1";
  options.https_proxy = "http://secure:2";
  options.no_proxy = "inside.net";
  EXPECT_EQ(proxy_for(url("http://example.org/"), options), "http://plain:1");
  EXPECT_EQ(proxy_for(url("https://example.org/"), options), "http://secure:2");
  EXPECT_EQ(proxy_for(url("https://hub.inside.net/"), options), std::nullopt);
  EXPECT_EQ(proxy_for(url("http://127.0.0.1:80/"), options), std::nullopt);
  EXPECT_EQ(proxy_for(url("http://localhost/"), options), std::nullopt);
}

TEST(Proxy, IsShownWithoutItsPassword) {
  EXPECT_EQ(shown_proxy("http://me:secret@proxy:3128"), "http://proxy:3128");
  EXPECT_EQ(shown_proxy("me:se@cret@proxy:3128"), "proxy:3128");
  EXPECT_EQ(shown_proxy("http://proxy:3128"), "http://proxy:3128");
}

}  // namespace
}  // namespace ganglion::hub
