// How many cores this process may use.
#pragma once

#include <cstdint>
#include <filesystem>

namespace ganglion {

// The CPU time that the process's control group may use, in cores: the least of what its group and the groups above it
// have (cpu.max of version 2, cpu.cfs_quota_us of version 1); 0 when there is no limit. root: where proc and sys are
// found, for tests. Thread-safe.
double cpu_quota(const std::filesystem::path& root = "/");

// The cores that the calling thread may run on (its affinity mask), no more than the quota, rounded up; at least 1.
// What is used when nobody says how many compute threads there are to be. Thread-safe.
int available_cores(const std::filesystem::path& root = "/");

// How long a thread of this process has been ready to run and had no core, since it began, in nanoseconds; 0 when the
// kernel does not say. Thread-safe.
std::int64_t waited_for_core(int thread_id, const std::filesystem::path& root = "/");

}  // namespace ganglion
