#include "hub/source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "hub/options.h"

namespace ganglion::hub {
namespace {

namespace fs = std::filesystem;

class SourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "org" / "here");
    std::ofstream(folder_ / "m.tar.gz") << "x";
  }
  void TearDown() override { fs::remove_all(folder_); }
  Source parse(const std::string& text) const { return parse_source(text, {folder_}, "test"); }
  std::string refusal(const std::string& text, Code code) const {
    try {
      parse(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    return "accepted";
  }
  const fs::path folder_ = fs::path(::testing::TempDir()) / ("source_test_" + std::to_string(::getpid()));
};

TEST_F(SourceTest, AFolderThatExistsWinsOverAnId) {
  EXPECT_EQ(parse("org/here").kind, SourceKind::kFolder);
  EXPECT_EQ(parse("org/here").path, folder_ / "org/here");
  EXPECT_EQ(parse("org/there").kind, SourceKind::kHuggingFace);
  EXPECT_EQ(parse("gpt2").kind, SourceKind::kHuggingFace);
  EXPECT_EQ(parse(folder_.string()).path, folder_);
}

TEST_F(SourceTest, AddressesAreToldByTheirScheme) {
  EXPECT_EQ(parse("s3://bucket/key").kind, SourceKind::kS3);
  EXPECT_EQ(parse("https://h/x.tar.gz?signature=1").kind, SourceKind::kWebArchive);
  EXPECT_EQ(parse("http://h/x.MAR").kind, SourceKind::kWebArchive);
  EXPECT_EQ(parse("file://" + (folder_ / "org").string()).path, folder_ / "org");
  EXPECT_EQ(parse("file:" + (folder_ / "m.tar.gz").string()).kind, SourceKind::kArchiveFile);
  EXPECT_EQ(parse("m.tar.gz").kind, SourceKind::kArchiveFile);
}

TEST_F(SourceTest, WhatIsRefusedIsRefusedWithTheReason) {
  EXPECT_NE(refusal("djl://ai.djl.huggingface/x", Code::kUnsupported).find("DJL's model zoo"), std::string::npos);
  EXPECT_NE(refusal("ftp://h/x.zip", Code::kUnsupported).find("kind ftp"), std::string::npos);
  EXPECT_NE(refusal("https://huggingface.co/gpt2?token=SECRET", Code::kInvalidArgument).find("named by its id"),
            std::string::npos);
  EXPECT_EQ(refusal("https://huggingface.co/gpt2?token=SECRET", Code::kInvalidArgument).find("SECRET"),
            std::string::npos);
  EXPECT_NE(refusal("/no/such", Code::kNotFound).find("no such folder (/no/such)"), std::string::npos);
  EXPECT_NE(refusal("./a/b", Code::kNotFound).find((folder_ / "a/b").string()), std::string::npos);
  EXPECT_NE(refusal("file:///no/such", Code::kNotFound).find("neither a folder nor an archive"), std::string::npos);
  EXPECT_NE(refusal("", Code::kNotFound), "accepted");
}

TEST(HubOptions, ComeFromTheTableOfTheEnvironment) {
  const Options options = read_options(Settings::from_map({{"HOME", "/home/me"},
                                                           {"HF_ENDPOINT", "http://127.0.0.1:8000/"},
                                                           {"HF_TOKEN", " hf_x\n"},
                                                           {"HF_HUB_OFFLINE", "yes"},
                                                           {"AWS_REGION", "eu-west-1"},
                                                           {"AWS_ENDPOINT_URL", "http://a:1"},
                                                           {"AWS_ENDPOINT_URL_S3", "http://b:2"}}));
  EXPECT_EQ(options.hugging_face.endpoint, "http://127.0.0.1:8000");
  EXPECT_EQ(options.hugging_face.cache, "/home/me/.cache/huggingface/hub");
  EXPECT_EQ(options.hugging_face.token, "hf_x");
  EXPECT_TRUE(options.hugging_face.offline);
  EXPECT_EQ(options.cache, "/home/me/.cache/ganglion/download");
  EXPECT_EQ(options.aws.region, "eu-west-1");
  EXPECT_EQ(options.aws.endpoint, "http://b:2");
  EXPECT_EQ(options.aws.credentials_file, "/home/me/.aws/credentials");
  EXPECT_EQ(read_options(Settings::from_map({{"HF_HOME", "/x"}})).hugging_face.cache, "/x/hub");
  EXPECT_EQ(read_options(Settings::from_map({{"HF_HOME", "/x"}, {"HF_HUB_CACHE", "/y"}})).hugging_face.cache, "/y");
  EXPECT_EQ(read_options(Settings::from_map({{"SERVING_DOWNLOAD_DIR", "/z"}})).cache, "/z");
}

TEST(HubOptions, WrongOnesAreNamedAndSecretsAreNotRepeated) {
  const auto refusal = [](std::map<std::string, std::string> values) -> std::string {
    try {
      read_options(Settings::from_map(std::move(values)));
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_NE(refusal({{"HF_ENDPOINT", "ftp://x"}}).find("HF_ENDPOINT"), std::string::npos);
  const std::string token = refusal({{"HF_TOKEN", "SECR\x01T"}});
  EXPECT_NE(token.find("HF_TOKEN"), std::string::npos);
  EXPECT_EQ(token.find("SECR"), std::string::npos);
  EXPECT_NE(refusal({{"GANGLION_S3_ADDRESSING", "dns"}}).find("GANGLION_S3_ADDRESSING=dns"), std::string::npos);
  EXPECT_NE(refusal({{"GANGLION_DOWNLOAD_CONNECTIONS", "0"}}).find("GANGLION_DOWNLOAD_CONNECTIONS"), std::string::npos);
}

}  // namespace
}  // namespace ganglion::hub
