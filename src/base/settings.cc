#include "base/settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/error.h"

namespace ganglion {

const std::vector<SettingInfo>& Settings::table() {
  static const std::vector<SettingInfo> kTable = {
      {"GANGLION_ISA", "", "kernel table to use: scalar, avx2 or avx512 (default: the best this CPU has)"},
      {"GANGLION_THREADS", "", "compute threads (default: the cores this process may use)"},
      {"GANGLION_LOG", "info", "log level: debug, info, warn, error or off"},
      {"GANGLION_MEMORY_BYTES", "", "memory a model may take (default: what the machine or the cgroup has free)"},
      {"GANGLION_WEIGHT_CACHE", "off",
       "packed weights on disk for a faster next start: off, on (XDG_CACHE_HOME) or a folder"},
      {"HOME", "", "where .cache is, when XDG_CACHE_HOME does not say"},
      {"XDG_CACHE_HOME", "", "where caches are kept"},
      {"MODEL_SERVER_HOME", "", "folder that relative paths in config.properties start from"},
      {"MODEL_LOADING_TIMEOUT", "", "seconds a model may take to load, when serving.properties does not say"},
      {"PREDICT_TIMEOUT", "", "seconds a prediction may take, when serving.properties does not say"},
      {"TENSOR_PARALLEL_DEGREE", "", "tensor parallel degree, when serving.properties does not say"},
  };
  return kTable;
}

Settings Settings::from_environment() {
  std::map<std::string, std::string> values;
  for (const SettingInfo& info : table()) {
    if (const char* value = std::getenv(std::string(info.name).c_str())) values[std::string(info.name)] = value;
  }
  return Settings(std::move(values));
}

std::optional<std::string> Settings::get(std::string_view name) const {
  const auto& rows = table();
  GANGLION_CHECK(std::any_of(rows.begin(), rows.end(), [&](const SettingInfo& info) { return info.name == name; }));
  const auto found = values_.find(std::string(name));
  if (found == values_.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

std::string Settings::value(std::string_view name) const {
  if (auto set = get(name)) return *set;
  for (const SettingInfo& info : table()) {
    if (info.name == name) return std::string(info.default_value);
  }
  return "";
}

std::optional<long long> Settings::integer(std::string_view name, long long low, long long high) const {
  const auto text = get(name);
  if (!text) return std::nullopt;
  long long number = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || stop != end || number < low || number > high) {
    fail(Code::kInvalidArgument, "[environment] {}={}: wanted a whole number from {} to {}", name, *text, low, high);
  }
  return number;
}

}  // namespace ganglion
