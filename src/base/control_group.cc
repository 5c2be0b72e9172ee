#include "base/control_group.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace ganglion {
namespace {

// "cpu" is in "cpu,cpuacct".
bool lists(std::string_view controllers, std::string_view wanted) {
  while (true) {
    const std::size_t comma = controllers.find(',');
    if (controllers.substr(0, comma) == wanted) return true;
    if (comma == std::string_view::npos) return false;
    controllers.remove_prefix(comma + 1);
  }
}

// The group below the top: of the line "0::/path" (version 2) or "5:cpu,cpuacct:/path" (version 1).
std::filesystem::path group_of_process(const std::filesystem::path& root, std::string_view controller) {
  std::ifstream file(root / "proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    if (!lists(std::string_view(line).substr(first + 1, second - first - 1), controller)) continue;
    const std::filesystem::path group = std::filesystem::path(line.substr(second + 1)).relative_path();
    // A group outside of what this namespace shows ("/../other") has no folder here.
    if (std::find(group.begin(), group.end(), "..") != group.end()) return {};
    return group;
  }
  return {};
}

}  // namespace

std::vector<std::filesystem::path> group_folders(const std::filesystem::path& root, std::string_view controller) {
  const std::filesystem::path top =
      controller.empty() ? root / "sys/fs/cgroup" : root / "sys/fs/cgroup" / std::filesystem::path(controller);
  std::vector<std::filesystem::path> folders;
  for (std::filesystem::path group = group_of_process(root, controller);; group = group.parent_path()) {
    if (group.empty()) break;
    folders.push_back(top / group);
  }
  folders.push_back(top);
  return folders;
}

}  // namespace ganglion
