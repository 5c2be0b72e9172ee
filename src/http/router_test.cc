#include "http/router.h"

#include <gtest/gtest.h>

namespace ganglion::http {
namespace {

Router sample() {
  Router router;
  router.add(1, "GET", "/ping");
  router.add(2, "*", "/predictions/{model}");
  router.add(3, "*", "/predictions/{model}/{version}");
  return router;
}

TEST(Router, FindsLiteralAndNamedPaths) {
  const Router router = sample();
  EXPECT_EQ(router.find("GET", "/ping")->route, 1);
  EXPECT_EQ(router.find("PUT", "/predictions/opt")->values, std::vector<std::string>{"opt"});
  EXPECT_EQ(router.find("PUT", "/predictions/opt/v1")->route, 3);
}

TEST(Router, RefusesOtherMethodsAndPaths) {
  const Router router = sample();
  EXPECT_FALSE(router.find("POST", "/ping"));
  EXPECT_FALSE(router.find("GET", "/ping/"));
  EXPECT_FALSE(router.find("GET", "/predictions"));
  EXPECT_FALSE(router.find("GET", "/predictions/"));
  EXPECT_FALSE(router.find("GET", "/predictions/a/b/c"));
  EXPECT_FALSE(router.find("GET", ""));
  EXPECT_FALSE(router.find("GET", "*"));
}

TEST(Router, DecodesAfterTheSplitSoThatAnEscapedSlashStaysInItsSegment) {
  EXPECT_EQ(sample().find("GET", "/predictions/..%2Fetc")->values, std::vector<std::string>{"../etc"});
  EXPECT_EQ(sample().find("GET", "/predictions/a%00b")->values, (std::vector<std::string>{std::string("a\0b", 3)}));
}

}  // namespace
}  // namespace ganglion::http
