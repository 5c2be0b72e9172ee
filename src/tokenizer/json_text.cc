#include "tokenizer/json_text.h"

#include <limits>

#include "base/error.h"
#include "base/json.h"

namespace ganglion::tokenizer {
Json parse_json_object(std::string_view text, std::string_view file) {
  Json value = parse_json(text, file);
  if (!value.is_object()) fail_type(value, "an object", file);
  return value;
}

const Json* find_member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool bool_member(const Json& object, const char* name, bool absent, std::string_view place) {
  const Json* value = find_member(object, name);
  if (value == nullptr) return absent;
  if (!value->is_boolean()) fail_type(*value, "true or false", fmt::format("{}.{}", place, name));
  return value->get<bool>();
}

std::optional<std::string> string_member(const Json& object, const char* name, std::string_view place) {
  const Json* value = find_member(object, name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail_type(*value, "a string", fmt::format("{}.{}", place, name));
  return value->get<std::string>();
}

std::int64_t integer(const Json& value, std::string_view place) {
  if (!value.is_number_integer()) fail_type(value, "an integer", place);
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
    fail(Code::kDataCorrupt, "[{}] the number {} is too large", place, value.get<std::uint64_t>());
  }
  return value.get<std::int64_t>();
}

std::string type_of(const Json& value, std::string_view place) {
  if (!value.is_object()) fail_type(value, "an object", place);
  const std::optional<std::string> type = string_member(value, "type", place);
  if (!type) fail(Code::kDataCorrupt, "[{}] has no \"type\"", place);
  return *type;
}

void fail_type(const Json& value, std::string_view wanted, std::string_view place) {
  fail(Code::kDataCorrupt, "[{}] is {}; it must be {}", place, value.type_name(), wanted);
}

}  // namespace ganglion::tokenizer
