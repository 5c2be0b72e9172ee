#include "planner/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "base/control_group.h"

namespace ganglion::planner {
namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

// The number after `key` in a file of "key number" lines; nullopt when there is no such line.
std::optional<std::int64_t> number_after(const std::filesystem::path& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    std::int64_t value = 0;
    if (word == key && file >> value) return value;
  }
  return std::nullopt;
}

std::optional<std::int64_t> only_number(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;  // "max", or no such file
}

struct GroupFiles {
  const char *controller, *limit, *usage, *cache;
};
constexpr GroupFiles kVersions[] = {
    {"", "memory.max", "memory.current", "inactive_file"},
    {"memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
};

}  // namespace

std::int64_t available_memory(const std::filesystem::path& root) {
  std::int64_t available = kUnlimited;
  if (const auto kib = number_after(root / "proc/meminfo", "MemAvailable:")) available = *kib * 1024;
  for (const GroupFiles& files : kVersions) {
    for (const std::filesystem::path& folder : group_folders(root, files.controller)) {
      const auto limit = only_number(folder / files.limit);
      const auto usage = only_number(folder / files.usage);
      if (limit && usage) {
        const std::int64_t cache = number_after(folder / "memory.stat", files.cache).value_or(0);
        available = std::min(available, std::max<std::int64_t>(0, *limit - std::max<std::int64_t>(0, *usage - cache)));
      }
    }
  }
  return available;
}

}  // namespace ganglion::planner
