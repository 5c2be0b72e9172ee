#include "base/cores.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#include "base/control_group.h"

namespace ganglion {
namespace {

// "200000 100000": so much of each period; "max 100000" has no limit.
double quota_of_version_2(const std::filesystem::path& folder) {
  std::ifstream file(folder / "cpu.max");
  double quota = 0, period = 0;
  return file >> quota >> period && quota > 0 && period > 0 ? quota / period : 0;
}

// -1 has no limit.
double quota_of_version_1(const std::filesystem::path& folder) {
  std::ifstream quota_file(folder / "cpu.cfs_quota_us"), period_file(folder / "cpu.cfs_period_us");
  double quota = 0, period = 0;
  return quota_file >> quota && period_file >> period && quota > 0 && period > 0 ? quota / period : 0;
}

int cores_of_affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));  // more cores than the set has room for
}

}  // namespace

double cpu_quota(const std::filesystem::path& root) {
  double least = 0;
  const auto take = [&](double quota) {
    if (quota > 0) least = least > 0 ? std::min(least, quota) : quota;
  };
  for (const auto& folder : group_folders(root, "")) take(quota_of_version_2(folder));
  for (const auto& folder : group_folders(root, "cpu")) take(quota_of_version_1(folder));
  return least;
}

int available_cores(const std::filesystem::path& root) {
  const int cores = cores_of_affinity();
  const double quota = cpu_quota(root);
  return quota > 0 && quota < cores ? std::max(1, static_cast<int>(std::ceil(quota))) : cores;
}

std::int64_t waited_for_core(int thread_id, const std::filesystem::path& root) {
  std::ifstream file(root / "proc/self/task" / std::to_string(thread_id) / "schedstat");
  std::int64_t on_core = 0, waited = 0;
  return file >> on_core >> waited ? waited : 0;
}

}  // namespace ganglion
