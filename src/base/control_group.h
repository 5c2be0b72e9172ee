// Where the limits of this process's control group are to be read, for both versions of Linux's control groups.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace ganglion {

// The folders of the group of this process and of all groups above it, innermost first, the top of the hierarchy last:
// a limit may be set on any of them, and inside a container only the top is to be seen. controller: "memory", "cpu" for
// the hierarchy of that controller (version 1, under sys/fs/cgroup/CONTROLLER); empty for the unified hierarchy
// (version 2, sys/fs/cgroup). root: where proc and sys are found, for tests. The folders need not exist.
std::vector<std::filesystem::path> group_folders(const std::filesystem::path& root, std::string_view controller);

}  // namespace ganglion
