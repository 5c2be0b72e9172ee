#include "hub/aws_profile.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ganglion::hub {
namespace {

TEST(AwsProfile, ReadsBothFilesTheCredentialsOverTheConfig) {
  const AwsFile credentials = parse_aws_file(
      "# mine\n[default]\naws_access_key_id = AK1\r\nAWS_SECRET_ACCESS_KEY=S=1/+\n\n[work]\naws_access_key_id=AK2\n"
      "aws_secret_access_key=S2\naws_session_token=T2\n",
      "credentials");
  const AwsFile config = parse_aws_file(
      "[default]\nregion = eu-west-1 # here\ns3 =\n  addressing_style = path\n[profile  work]\nregion=us-west-2\n"
      "endpoint_url=http://minio:9000\naws_access_key_id=OLD\n",
      "config");
  const auto first = find_profile(credentials, config, "default");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->access_key, "AK1");
  EXPECT_EQ(first->secret_key, "S=1/+");
  EXPECT_EQ(first->session_token, std::nullopt);
  EXPECT_EQ(first->region, "eu-west-1");
  const auto work = find_profile(credentials, config, "work");
  ASSERT_TRUE(work);
  EXPECT_EQ(work->access_key, "AK2");
  EXPECT_EQ(work->session_token, "T2");
  EXPECT_EQ(work->endpoint, "http://minio:9000");
  EXPECT_FALSE(find_profile(credentials, config, "other"));
}

TEST(AwsProfile, AWayToGetCredentialsThatIsNotSupportedIsNamed) {
  const AwsFile config = parse_aws_file("[profile a]\nrole_arn=arn:aws:iam::1:role/x\nsource_profile=b\n", "config");
  try {
    find_profile({}, config, "a");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("role_arn"), std::string::npos);
  }
}

TEST(AwsProfile, BrokenLinesAreNamedByNumberAndNotRepeated) {
  for (const char* text : {"[default\nx=1\n", "key=SECRET\n", "[default]\nSECRET\n"}) {
    try {
      parse_aws_file(text, "credentials");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("[credentials] line "), std::string::npos);
      EXPECT_EQ(std::string(error.what()).find("SECRET"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace ganglion::hub
