#include "base/cores.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <fstream>
#include <string>
#include <thread>

#include "base/control_group.h"

namespace ganglion {
namespace {

namespace fs = std::filesystem;

// A folder with proc and sys as a test wants them.
class Cores : public testing::Test {
 protected:
  Cores() : root_(fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(root_);
  }
  ~Cores() override { fs::remove_all(root_); }

  void write(const fs::path& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  const fs::path root_;
};

TEST_F(Cores, AreNotLimitedWhereThereAreNoControlGroups) {
  EXPECT_EQ(cpu_quota(root_), 0);
  EXPECT_GE(available_cores(root_), 1);
}

TEST_F(Cores, TakeTheQuotaOfVersion2) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 1.5);
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(root_), 0);
}

TEST_F(Cores, TakeTheLeastQuotaOfTheGroupsAboveTheirOwn) {
  write("proc/self/cgroup", "0::/pods/pod1/container\n");
  write("sys/fs/cgroup/pods/cpu.max", "800000 100000\n");
  write("sys/fs/cgroup/pods/pod1/cpu.max", "200000 100000\n");
  write("sys/fs/cgroup/pods/pod1/container/cpu.max", "max 100000\n");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 2);
}

TEST_F(Cores, TakeTheQuotaOfVersion1WhereItsControllerHasACompany) {
  write("proc/self/cgroup", "5:memory:/elsewhere\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/\n");
  write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "50000\n");
  write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 0.5);
  EXPECT_EQ(available_cores(root_), 1);
}

TEST_F(Cores, FindTheQuotaAtTheTopWhereAContainerSeesNoOther) {
  write("proc/self/cgroup", "3:cpu,cpuacct:/docker/abc\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 1);
}

TEST_F(Cores, StayWithinWhatTheNamespaceShows) {
  write("proc/self/cgroup", "0::/../../other\n");
  EXPECT_EQ(group_folders(root_, ""), (std::vector<fs::path>{root_ / "sys/fs/cgroup"}));
}

TEST_F(Cores, PassOverFilesThatSayNothing) {
  write("proc/self/cgroup", "no colons\n0:one\n0::/\n");
  write("sys/fs/cgroup/cpu.max", "\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");  // and no period
  EXPECT_EQ(cpu_quota(root_), 0);
  write("sys/fs/cgroup/cpu.max", "100000 0\n");
  EXPECT_EQ(cpu_quota(root_), 0);
}

TEST_F(Cores, AreNoMoreThanTheAffinityMaskHas) {
  std::thread([&] {
    cpu_set_t all, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
    CPU_ZERO(&one);
    for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core) {
      if (CPU_ISSET(core, &all)) CPU_SET(core, &one);
    }
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    EXPECT_EQ(available_cores(root_), 1);
  }).join();
}

TEST_F(Cores, SayHowLongAThreadWaitedForOne) {
  write("proc/self/task/42/schedstat", "90000 1234567 3\n");
  EXPECT_EQ(waited_for_core(42, root_), 1'234'567);
  EXPECT_EQ(waited_for_core(43, root_), 0);
  write("proc/self/task/43/schedstat", "\n");
  EXPECT_EQ(waited_for_core(43, root_), 0);
}

}  // namespace
}  // namespace ganglion
