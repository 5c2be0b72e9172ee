// Takes fields out of a config.json, each checked as it is read. Messages begin with the place and name the field.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace ganglion::models {

class ConfigReader {
 public:
  // `object` must be a JSON object and outlive the reader; kDataCorrupt when it is something else.
  ConfigReader(const nlohmann::json& object, std::string place);

  // A number within [low, high]. Errors: kInvalidArgument when it is missing and there is no `otherwise`, not an
  // integer, or out of range. A null counts as missing.
  std::int64_t integer(const char* key, std::int64_t low, std::int64_t high,
                       std::optional<std::int64_t> otherwise = std::nullopt) const;
  bool flag(const char* key, bool otherwise) const;
  std::string text(const char* key, const std::string& otherwise) const;
  const std::string& place() const noexcept { return place_; }

 private:
  const nlohmann::json* find(const char* key) const;

  const nlohmann::json& object_;
  std::string place_;
};

}  // namespace ganglion::models
