// Members of the JSON in a tokenizer's files, each checked for its type. Only for .cc files; messages begin with the
// file's name and the member's.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace ganglion::tokenizer {

using Json = nlohmann::json;

// As parse_json, and kDataCorrupt unless it is an object.
Json parse_json_object(std::string_view text, std::string_view file);

// A member of `object` (which must be one); nullptr when it is absent or null.
const Json* find_member(const Json& object, const char* name);
// Errors of the rest: kDataCorrupt when the value is of another type. `place` is "file member".
bool bool_member(const Json& object, const char* name, bool absent, std::string_view place);
std::optional<std::string> string_member(const Json& object, const char* name, std::string_view place);
// An integer of any size that int64 holds.
std::int64_t integer(const Json& value, std::string_view place);
// The value of a required "type" member.
std::string type_of(const Json& value, std::string_view place);
[[noreturn]] void fail_type(const Json& value, std::string_view wanted, std::string_view place);

}  // namespace ganglion::tokenizer
