#include "hub/patience.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ganglion::hub {
namespace {

using std::chrono::milliseconds;

struct Waits {
  std::vector<long long> times;
  Options options;
  Waits() {
    options.wait = [this](milliseconds time) { times.push_back(time.count()); };
  }
};

HttpResponse status(int number, const std::string& retry_after = "") {
  HttpResponse out;
  out.status = number;
  if (!retry_after.empty()) out.fields["retry-after"] = retry_after;
  return out;
}

TEST(Patience, WaitsLongerEachTimeAndGivesUp) {
  Waits waits;
  Patience patience(waits.options);
  for (int i = 0; i < Patience::kAttempts - 1; ++i) patience.failed(status(503), "x");
  EXPECT_EQ(waits.times, (std::vector<long long>{500, 1000, 2000, 4000, 8000}));
  try {
    patience.failed(status(503), "org/name/file");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnavailable);
    EXPECT_STREQ(error.what(), "[hub] org/name/file: answered with 503; given up after 6 attempts");
  }
}

TEST(Patience, WaitsAsLongAsTheServerAsksButNotForEver) {
  Waits waits;
  Patience patience(waits.options);
  patience.failed(status(429, "7"), "x");
  patience.failed(status(429, "0"), "x");
  EXPECT_EQ(waits.times, (std::vector<long long>{7000, 0}));
  EXPECT_THROW(patience.failed(status(429, "121"), "x"), Error);
  EXPECT_EQ(waits.times.size(), 2u);
}

TEST(Patience, AfterProgressTheFirstNewAttemptIsAtOnceAndAMebibyteForgetsFailures) {
  Waits waits;
  Patience patience(waits.options);
  HttpResponse cut = status(206);
  cut.failure = "connection reset";
  for (int i = 0; i < 20; ++i) {
    patience.progressed(1 << 20);
    patience.failed(cut, "x");
  }
  EXPECT_EQ(waits.times, std::vector<long long>(20, 0));
  // A byte each time is no progress to speak of.
  Patience slow(waits.options);
  EXPECT_THROW(
      {
        for (int i = 0; i < 20; ++i) {
          slow.progressed(1);
          slow.failed(cut, "x");
        }
      },
      Error);
}

TEST(Patience, AFailureThatLastsIsNotTriedAgain) {
  Waits waits;
  Patience patience(waits.options);
  HttpResponse bad;
  bad.failure = "certificate has expired";
  bad.lasting = true;
  EXPECT_FALSE(may_pass(bad));
  EXPECT_THROW(patience.failed(bad, "x"), Error);
  EXPECT_TRUE(waits.times.empty());
}

TEST(Patience, OnlyWhatMayPassIsTriedAgain) {
  for (const int number : {408, 425, 429, 500, 502, 503, 504}) EXPECT_TRUE(may_pass(status(number))) << number;
  for (const int number : {200, 206, 301, 400, 401, 403, 404, 410, 416, 501})
    EXPECT_FALSE(may_pass(status(number))) << number;
}

TEST(RetryAfter, IsSecondsOrADate) {
  EXPECT_EQ(parse_retry_after("120", 0), milliseconds(120'000));
  EXPECT_EQ(parse_retry_after("0", 0), milliseconds(0));
  EXPECT_EQ(parse_retry_after("0.5", 0), milliseconds(500));
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 40), milliseconds(60'000));
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 1000), milliseconds(0));
  for (const char* text : {"", "-1", "soon", "1 2", "nan", "inf"})
    EXPECT_EQ(parse_retry_after(text, 0), std::nullopt) << text;
  EXPECT_LE(*parse_retry_after("99999999999999999999", 0), milliseconds(10'000'000'000));
}

}  // namespace
}  // namespace ganglion::hub
