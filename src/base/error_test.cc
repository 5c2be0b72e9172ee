#include "base/error.h"

#include <gtest/gtest.h>

namespace ganglion {
namespace {

TEST(Error, CarriesItsCodeAndItsFormattedMessage) {
  try {
    fail(Code::kInvalidArgument, "[opt] heads={}: wanted a multiple of {}", 3, 2);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    EXPECT_STREQ(error.what(), "[opt] heads=3: wanted a multiple of 2");
  }
}

TEST(Error, EveryCodeHasANameAnHttpStatusAndANonZeroExitCode) {
  for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
    const Code code = static_cast<Code>(i);
    EXPECT_FALSE(code_name(code).empty());
    EXPECT_GE(http_status(code), 400);
    EXPECT_NE(exit_code(code), 0);
  }
  EXPECT_EQ(http_status(Code::kNotFound), 404);
  EXPECT_EQ(http_status(Code::kUnavailable), 503);
}

TEST(Error, ABrokenInvariantThrowsInternalInsteadOfAborting) {
  try {
    GANGLION_CHECK(1 + 1 == 3);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kInternal);
  }
}

}  // namespace
}  // namespace ganglion
