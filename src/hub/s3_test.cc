#include "hub/s3.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ganglion::hub {
namespace {

constexpr const char* kPage = R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>m/</Prefix><EncodingType>url</EncodingType>
<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>
<Contents><Key>m/a%2Bb+c%E1%88%B4</Key><LastModified>2023</LastModified><ETag>&quot;abc-2&quot;</ETag><Size>12</Size>
<Owner><ID>x</ID></Owner></Contents><Contents><Key>m/z</Key><ETag>"e"</ETag><Size>0</Size></Contents></ListBucketResult>)";

TEST(S3Reply, ReadsAPageOfTheList) {
  const S3Page page = parse_s3_page(kPage, "test");
  ASSERT_EQ(page.objects.size(), 2u);
  EXPECT_EQ(page.objects[0].key, "m/a+b c\xE1\x88\xB4");
  EXPECT_EQ(page.objects[0].size, 12u);
  EXPECT_EQ(page.objects[0].etag, "abc-2");
  EXPECT_EQ(page.next, "t&1");
}

TEST(S3Reply, RefusesWhatIsNoList) {
  for (const char* text :
       {"", "<html></html>", "<ListBucketResult>", "{}",
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<!DOCTYPE l [<!ENTITY a \"aaaa\">]><ListBucketResult><Name>&a;</Name></ListBucketResult>"}) {
    EXPECT_THROW(parse_s3_page(text, "test"), Error) << text;
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<a>";
  EXPECT_THROW(parse_s3_page(deep, "test"), Error);
}

TEST(S3Reply, OfAnErrorOnlyCodeAndMessageAreShown) {
  const char* xml =
      "<Error><Code>InvalidAccessKeyId</Code><Message>The key\ndoes not "
      "exist</Message><AWSAccessKeyId>AKSECRET</AWSAccessKeyId>"
      "<Region>eu-west-1</Region></Error>";
  EXPECT_EQ(s3_error(xml), "InvalidAccessKeyId: The key does not exist");
  EXPECT_EQ(s3_error_region(xml), "eu-west-1");
  EXPECT_EQ(s3_error("<html>AKSECRET</html>"), "");
}

TEST(S3, ReadsAddresses) {
  EXPECT_EQ(parse_s3_address("s3://bucket/models/opt/").key, "models/opt");
  EXPECT_EQ(parse_s3_address("s3://bucket").key, "");
  EXPECT_EQ(parse_s3_address("s3://my.bucket-1/k").bucket, "my.bucket-1");
  for (const char* text : {"s3://", "s3:///x", "s3://a", "s3://b@d/x", "s3://-bad/x", "s3://b..d/x", "s3://bad:80/x"}) {
    EXPECT_THROW(parse_s3_address(text), Error) << text;
  }
}

TEST(S3, TheBucketStandsInTheHostOrInThePath) {
  const auto url = [](const char* bucket, const char* key, std::optional<std::string> endpoint,
                      const char* addressing) { return s3_url(bucket, key, "eu-west-1", endpoint, addressing).text(); };
  EXPECT_EQ(url("b", "m/a b", {}, "auto"), "https://b.s3.eu-west-1.amazonaws.com/m/a%20b");
  EXPECT_EQ(url("b", "k", {}, "path"), "https://s3.eu-west-1.amazonaws.com/b/k");
  EXPECT_EQ(url("b.c", "k", {}, "auto"), "https://s3.eu-west-1.amazonaws.com/b.c/k");
  EXPECT_EQ(url("b", "", "http://127.0.0.1:9000", "auto"), "http://127.0.0.1:9000/b/");
  EXPECT_EQ(url("b", "k", "http://minio:9000/base", "auto"), "http://minio:9000/base/b/k");
  EXPECT_EQ(url("b", "k", "https://s3.example", "virtual"), "https://b.s3.example/k");
  EXPECT_EQ(url("b", "a/../b//c+d", {}, "auto"), "https://b.s3.eu-west-1.amazonaws.com/a/../b//c%2Bd");
}

TEST(S3, CredentialsOfAnEndpointAreReadAndNeverRepeated) {
  const AwsCredentials read = parse_credentials(
      R"({"Code":"Success","AccessKeyId":"AK","SecretAccessKey":"SK","Token":"T","Expiration":"2030-01-01T00:00:00Z"})",
      "test");
  EXPECT_EQ(read.secret_key, "SK");
  EXPECT_EQ(read.session_token, "T");
  EXPECT_EQ(read.expires_at, 1893456000);
  for (const char* text : {"{}", "[]", "{\"AccessKeyId\":\"SECRET\"}", "SECRET"}) {
    try {
      parse_credentials(text, "test");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find("SECRET"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace ganglion::hub
