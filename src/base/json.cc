#include "base/json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"

namespace ganglion {
namespace {

// Counts brackets and commas outside strings, so that neither depth nor memory depends on the parser's care.
void check_extent(std::string_view text, std::string_view place, const JsonLimits& limits) {
  int depth = 0;
  std::size_t values = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    // The parser takes a zero byte for the end of its input and would not look at what follows.
    if (c == '\0') fail(limits.malformed, "[{}] is not valid JSON: byte {} is zero", place, i);
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      ++values;
      if (++depth > limits.depth)
        fail(limits.malformed, "[{}] is nested deeper than {} levels at byte {}", place, limits.depth, i);
    } else if (c == ']' || c == '}') {
      --depth;
    } else if (c == ',') {
      ++values;
    }
    if (values > limits.values) fail(limits.malformed, "[{}] has more than {} values", place, limits.values);
  }
}

}  // namespace

nlohmann::json parse_json(std::string_view text, std::string_view place, const JsonLimits& limits) {
  using nlohmann::json;
  if (text.size() > limits.bytes) {
    fail(Code::kResourceExhausted, "[{}] has {} bytes: at most {} are read", place, text.size(), limits.bytes);
  }
  check_extent(text, place, limits);
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto watch = [&](int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      fail(limits.malformed, "[{}] has the key \"{}\" twice; remove one", place, value.get<std::string>());
    }
    return true;
  };
  try {
    return limits.refuse_duplicates ? json::parse(text.begin(), text.end(), watch)
                                    : json::parse(text.begin(), text.end());
  } catch (const json::parse_error& error) {
    const bool bad_utf8 = std::string_view(error.what()).find("ill-formed UTF-8") != std::string_view::npos;
    fail(limits.malformed, "[{}] is not {}: the error is at byte {} of {}", place,
         bad_utf8 ? "valid UTF-8" : "valid JSON", error.byte, text.size());
  } catch (const json::exception&) {
    fail(limits.malformed, "[{}] has a number that is too large for a 64-bit float", place);
  }
}

nlohmann::json read_json(const std::filesystem::path& path, const JsonLimits& limits) {
  return parse_json(read_text(path, limits.bytes), path.string(), limits);
}

}  // namespace ganglion
