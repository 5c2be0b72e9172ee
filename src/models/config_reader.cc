#include "models/config_reader.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"

namespace ganglion::models {
namespace {

// A value in a message, never longer than a line.
std::string shown(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace

ConfigReader::ConfigReader(const nlohmann::json& object, std::string place)
    : object_(object), place_(std::move(place)) {
  if (!object.is_object()) fail(Code::kDataCorrupt, "[{}] a JSON object is wanted, not {}", place_, object.type_name());
}

const nlohmann::json* ConfigReader::find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::int64_t ConfigReader::integer(const char* key, std::int64_t low, std::int64_t high,
                                   std::optional<std::int64_t> otherwise) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) {
    if (otherwise) return *otherwise;
    fail(Code::kInvalidArgument, "[{}] {} is missing; it must be a number from {} to {}", place_, key, low, high);
  }
  const bool fits = value->is_number_unsigned() ? value->get<std::uint64_t>() <= std::uint64_t(INT64_MAX)
                                                : value->is_number_integer();
  if (!fits || value->get<std::int64_t>() < low || value->get<std::int64_t>() > high) {
    fail(Code::kInvalidArgument, "[{}] {}={}: it must be a whole number from {} to {}", place_, key, shown(*value), low,
         high);
  }
  return value->get<std::int64_t>();
}

bool ConfigReader::flag(const char* key, bool otherwise) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean())
    fail(Code::kInvalidArgument, "[{}] {}={}: it must be true or false", place_, key, shown(*value));
  return value->get<bool>();
}

std::string ConfigReader::text(const char* key, const std::string& otherwise) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) fail(Code::kInvalidArgument, "[{}] {}={}: it must be a text", place_, key, shown(*value));
  return value->get<std::string>();
}

}  // namespace ganglion::models
