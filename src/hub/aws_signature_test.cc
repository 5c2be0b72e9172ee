#include "hub/aws_signature.h"

#include <gtest/gtest.h>

#include "hub/hash.h"

namespace ganglion::hub {
namespace {

// 2013-05-24T00:00:00Z and the keys of the examples in S3's API reference.
constexpr std::int64_t kS3Time = 1369353600;
const AwsCredentials kS3Keys = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", 0};
// 2015-08-30T12:36:00Z and those of the Signature Version 4 test suite.
constexpr std::int64_t kSuiteTime = 1440938160;
const AwsCredentials kSuiteKeys = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "", 0};
const AwsScope kSuiteScope = {"us-east-1", "service"};

std::string signature(const std::string& authorization) { return authorization.substr(authorization.rfind('=') + 1); }

std::string of_s3(const std::string& method, const std::string& path, const std::string& query, Headers fields,
                  const std::string& body = "") {
  const Url url{"https", "examplebucket.s3.amazonaws.com", 0, path, query};
  fields.emplace_back("x-amz-date", aws_time(kS3Time));
  fields.emplace_back("x-amz-content-sha256", sha256_hex(body));
  return signature(aws_authorization(method, url, fields, sha256_hex(body), kS3Keys, {}, kS3Time));
}

std::string of_suite(const std::string& path, const std::string& query, Headers fields = {},
                     const std::string& method = "GET") {
  const Url url{"https", "example.amazonaws.com", 0, path, query};
  fields.emplace_back("X-Amz-Date", aws_time(kSuiteTime));
  return signature(aws_authorization(method, url, fields, sha256_hex(""), kSuiteKeys, kSuiteScope, kSuiteTime));
}

TEST(AwsSignature, TimesAreIsoBasic) {
  EXPECT_EQ(aws_time(kS3Time), "20130524T000000Z");
  EXPECT_EQ(aws_time(kSuiteTime), "20150830T123600Z");
}

TEST(AwsSignature, GivesTheSignaturesOfTheApiReference) {
  EXPECT_EQ(of_s3("GET", "/test.txt", "", {{"Range", "bytes=0-9"}}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(of_s3("GET", "/", "lifecycle", {}), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(of_s3("GET", "/", "max-keys=2&prefix=J", {}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  EXPECT_EQ(of_s3("PUT", "/test%24file.text", "",
                  {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                  "Welcome to Amazon S3."),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(AwsSignature, GivesTheSignaturesOfTheTestSuite) {
  EXPECT_EQ(of_suite("/", ""), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");  // get-vanilla
  EXPECT_EQ(of_suite("/", "", {}, "POST"), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
  EXPECT_EQ(of_suite("/", "Param2=value2&Param1=value1"),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  EXPECT_EQ(of_suite("/%E1%88%B4", ""),
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");  // get-utf8
  EXPECT_EQ(of_suite("/", "", {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}}),
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");  // get-header-value-trim
  EXPECT_EQ(of_suite("/", "", {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}}),
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea");  // get-header-key-duplicate
}

TEST(AwsSignature, NamesTheScopeAndTheSignedFields) {
  const Url url{"https", "example.amazonaws.com", 0, "/", ""};
  const std::string value = aws_authorization("GET", url, {{"X-Amz-Date", aws_time(kSuiteTime)}}, sha256_hex(""),
                                              kSuiteKeys, kSuiteScope, kSuiteTime);
  EXPECT_TRUE(
      value.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                        "SignedHeaders=host;x-amz-date, Signature="))
      << value;
}

TEST(AwsSignature, WhatIsSignedIsKeptFromOtherHosts) {
  HttpRequest request;
  request.url = Url::parse("https://b.s3.amazonaws.com/k", "test");
  sign(request, {"AK", "SK", "TOKEN", 0}, {}, kS3Time);
  EXPECT_TRUE(request.headers.empty());
  ASSERT_EQ(request.secrets.size(), 4u);
  EXPECT_EQ(request.secrets[2], (std::pair<std::string, std::string>{"x-amz-security-token", "TOKEN"}));
  EXPECT_NE(request.secrets[3].second.find("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token"),
            std::string::npos);
}

TEST(AwsSignature, QueriesAreSortedByNameAndValue) {
  EXPECT_EQ(canonical_query(""), "");
  EXPECT_EQ(canonical_query("b=2&a&B=1&b=1&&a-b=x"), "B=1&a=&a-b=x&b=1&b=2");
}

}  // namespace
}  // namespace ganglion::hub
