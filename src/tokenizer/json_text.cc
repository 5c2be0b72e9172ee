#include "tokenizer/json_text.h"

#include <limits>

#include "base/error.h"

namespace ganglion::tokenizer {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxValues = std::size_t{1} << 23;

// Counts brackets and commas outside strings, so that neither depth nor memory depends on the parser's care.
void check_size(std::string_view text, std::string_view file) {
  std::size_t depth = 0;
  std::size_t values = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char byte = text[i];
    if (in_string) {
      if (byte == '\\') ++i;
      if (byte == '"') in_string = false;
    } else if (byte == '"') {
      in_string = true;
    } else if (byte == '[' || byte == '{') {
      ++values;
      if (++depth > kMaxDepth) {
        fail(Code::kDataCorrupt, "[{}] byte {}: nested deeper than {} levels", file, i, kMaxDepth);
      }
    } else if (byte == ']' || byte == '}') {
      if (depth > 0) --depth;
    } else if (byte == ',' && ++values > kMaxValues) {
      fail(Code::kDataCorrupt, "[{}] byte {}: more than {} values", file, i, kMaxValues);
    }
  }
}

}  // namespace

Json parse_json(std::string_view text, std::string_view file) {
  check_size(text, file);
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    fail(Code::kDataCorrupt, "[{}] not JSON: the error is at byte {} of {}", file, error.byte, text.size());
  } catch (const Json::exception& error) {
    fail(Code::kDataCorrupt, "[{}] not usable JSON: {}", file, error.what());
  }
}

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
