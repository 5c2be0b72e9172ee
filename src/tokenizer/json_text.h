// Reading JSON that a stranger wrote: bounded in depth and in number of values before the parser sees it, and every
// member checked for its type. Only for .cc files; messages begin with the file's name and the member's.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace ganglion::tokenizer {

using Json = nlohmann::json;

// Errors: kDataCorrupt when the text is not JSON, is nested deeper than 64 or has more than 2^23 values.
Json parse_json(std::string_view text, std::string_view file);
// parse_json, and kDataCorrupt unless it is an object.
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
