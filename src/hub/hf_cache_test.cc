#include "hub/hf_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "base/file.h"

namespace ganglion::hub {
namespace {

namespace fs = std::filesystem;
const std::string kCommit(40, 'a');

class HfCacheTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  const fs::path folder_ = fs::path(::testing::TempDir()) / ("hf_cache_test_" + std::to_string(::getpid()));
  const HfCache cache_{folder_, "org/name"};
};

TEST(ModelId, IsANameOrAnOrganisationAndAName) {
  for (const char* id : {"gpt2", "facebook/opt-1.3b", "a_b/c.d-e", "1/2", "EleutherAI/gpt-j-6B"})
    EXPECT_TRUE(is_model_id(id)) << id;
  for (const char* id : {"", "/", "a/", "/a", "a/b/c", "./a", "../a", "a/..", "a--b/c", "a/b..c", "-a/b", "a/b-",
                         "a b/c", "a/b.git", "~/x", "a/b\n", "s3://a"}) {
    EXPECT_FALSE(is_model_id(id)) << id;
  }
  EXPECT_FALSE(is_model_id(std::string(97, 'a')));
}

TEST(Revision, IsABranchATagOrACommit) {
  for (const char* good : {"main", "refs/pr/1", "v1.0", "step-1000"}) check_revision(good);
  for (const char* bad : {"", "/main", "main/", "../x", "a/../b", "a//b", ".git", "a/.b", "a b", "a?b", "a\nb"}) {
    EXPECT_THROW(check_revision(bad), Error) << bad;
  }
}

TEST_F(HfCacheTest, HasHuggingfaceHubsNames) {
  EXPECT_EQ(cache_.blob("e"), folder_ / "models--org--name/blobs/e");
  EXPECT_EQ(cache_.partial("e"), folder_ / "models--org--name/blobs/e.incomplete");
  EXPECT_EQ(cache_.lock("e"), folder_ / ".locks/models--org--name/e.lock");
  EXPECT_EQ(HfCache(folder_, "gpt2").folder(), folder_ / "models--gpt2");
}

TEST_F(HfCacheTest, LinksAreRelativeAndReplaceOnesThatAreThere) {
  write(cache_.blob("one"), "1");
  write(cache_.blob("two"), "22");
  cache_.link(kCommit, "sub/file", "one");
  cache_.link(kCommit, "sub/file", "two");
  const fs::path link = cache_.snapshot(kCommit) / "sub/file";
  EXPECT_EQ(fs::read_symlink(link), "../../../blobs/two");
  EXPECT_EQ(read_text(link), "22");
  EXPECT_TRUE(cache_.has(kCommit, "sub/file"));
  EXPECT_EQ(cache_.files(kCommit), std::vector<std::string>{"sub/file"});
  fs::remove(cache_.blob("two"));
  EXPECT_FALSE(cache_.has(kCommit, "sub/file"));  // a link to nothing is not a file
}

TEST_F(HfCacheTest, RemembersRevisions) {
  EXPECT_EQ(cache_.commit_of("refs/pr/1"), std::nullopt);
  cache_.remember("refs/pr/1", kCommit);
  EXPECT_EQ(cache_.commit_of("refs/pr/1"), kCommit);
  EXPECT_EQ(cache_.commit_of(kCommit), kCommit);
  write(cache_.folder() / "refs/main", "../../../../etc");
  EXPECT_THROW(cache_.commit_of("main"), Error);
  cache_.remember("main", kCommit);
  EXPECT_EQ(cache_.commit_of("main"), kCommit);
}

}  // namespace
}  // namespace ganglion::hub
