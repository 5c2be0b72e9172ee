#include "planner/plan.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <string>

#include "base/error.h"
#include "models/config.h"
#include "planner/memory.h"

namespace ganglion::planner {
namespace {

Plan four_gib() {
  Plan plan;
  plan.weights = std::int64_t{3} << 30;
  plan.kv_cache = (std::int64_t{1} << 30) - (std::int64_t{2} << 20);
  plan.activations = std::int64_t{1} << 20;
  plan.program = std::int64_t{1} << 20;
  return plan;
}

TEST(Plan, CountsBothCachesOfAllLayersForAPosition) {
  EXPECT_EQ(cache_bytes_per_token(models::published_shape("opt-1.3b"), DType::kF16, 1), 2 * 24 * 2048 * 2);
  EXPECT_EQ(cache_bytes_per_token(models::published_shape("llama-1.1b"), DType::kF16, 8), 2 * 22 * 8 * 64 * 2);
}

TEST(Plan, RefusesWithTheSumSpeltOut) {
  EXPECT_NO_THROW(check_fits(four_gib(), std::int64_t{4} << 30, "opt"));
  try {
    check_fits(four_gib(), (std::int64_t{4} << 30) - 1, "opt");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kResourceExhausted);
    const std::string text = error.what();
    for (const char* part : {"[opt]", "weights 3.00 GiB", "KV cache", "activations 1.0 MiB", "4.00 GiB"}) {
      EXPECT_NE(text.find(part), std::string::npos) << text;
    }
  }
}

TEST(Plan, LeavesTheCacheWhatTheRestDoesNotTake) {
  const std::int64_t block = std::int64_t{1} << 20;
  EXPECT_EQ(blocks_that_fit(four_gib(), block, 5000, std::int64_t{4} << 30), 1022);
  EXPECT_EQ(blocks_that_fit(four_gib(), block, 10, std::int64_t{4} << 30), 10);
  EXPECT_EQ(blocks_that_fit(four_gib(), block, 10, std::int64_t{1} << 30), 0);
}

class FakeRoot : public testing::Test {
 protected:
  FakeRoot() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    root_ = std::filesystem::temp_directory_path() / (std::string("ganglion_memory_") + info->name());
    std::filesystem::remove_all(root_);
  }
  ~FakeRoot() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::filesystem::path root_;
};

TEST_F(FakeRoot, TakesWhatTheKernelSaysIsAvailable) {
  write("proc/meminfo", "MemTotal: 2000 kB\nMemAvailable:    1000 kB\n");
  EXPECT_EQ(available_memory(root_), 1000 * 1024);
}

TEST_F(FakeRoot, TakesWhatTheControlGroupLeavesWhenThatIsLess) {
  write("proc/meminfo", "MemAvailable: 1000000 kB\n");
  write("proc/self/cgroup", "0::/service\n");
  write("sys/fs/cgroup/memory.max", "max\n");
  write("sys/fs/cgroup/service/memory.max", "500000\n");
  write("sys/fs/cgroup/service/memory.current", "300000\n");
  write("sys/fs/cgroup/service/memory.stat", "anon 200000\ninactive_file 100000\n");
  EXPECT_EQ(available_memory(root_), 300000);
}

TEST_F(FakeRoot, KnowsNoLimitWhereNothingCanBeRead) {
  EXPECT_EQ(available_memory(root_), std::numeric_limits<std::int64_t>::max());
}

}  // namespace
}  // namespace ganglion::planner
