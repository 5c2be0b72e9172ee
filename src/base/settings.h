// Every environment variable that ganglion reads, in one table. Read once by main and passed down; nothing else in the
// project calls getenv.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ganglion {

struct SettingInfo {
  std::string_view name;
  std::string_view default_value;
  std::string_view meaning;
};

class Settings {
 public:
  // The literal table, for `--help`, docs and the check that every variable is described.
  static const std::vector<SettingInfo>& table();
  // From the environment of this process: variables of the table only.
  static Settings from_environment();
  // For tests.
  static Settings from_map(std::map<std::string, std::string> values) { return Settings(std::move(values)); }

  // nullopt when the variable is not set or empty. The name must be in the table (Error{kInternal} otherwise).
  std::optional<std::string> get(std::string_view name) const;
  // As get(), or the table's default.
  std::string value(std::string_view name) const;
  // An integer within [low, high]; Error{kInvalidArgument} with the name and the value otherwise.
  std::optional<long long> integer(std::string_view name, long long low, long long high) const;
  // The folder of the user's caches: XDG_CACHE_HOME, else HOME/.cache, else "".
  std::filesystem::path user_cache() const;

 private:
  explicit Settings(std::map<std::string, std::string> values) : values_(std::move(values)) {}
  std::map<std::string, std::string> values_;
};

}  // namespace ganglion
