#include "http/json_body.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace ganglion::http {
namespace {

// The deepest nesting, found before anything is allocated.
int nesting(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = ++depth > deepest ? depth : deepest;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

nlohmann::json parse_json_body(std::string_view body, int depth_limit) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    fail(Code::kInvalidArgument, "[request] the body is empty; wanted a JSON object");
  }
  if (const int depth = nesting(body); depth > depth_limit) {
    fail(Code::kInvalidArgument, "[request] the body is nested {} deep; at most {} levels are read", depth,
         depth_limit);
  }
  try {
    return nlohmann::json::parse(body);
  } catch (const nlohmann::json::parse_error& error) {
    const bool bad_utf8 = std::string_view(error.what()).find("ill-formed UTF-8") != std::string_view::npos;
    fail(Code::kInvalidArgument, "[request] the body is not {} (at byte {} of {}); wanted a JSON object",
         bad_utf8 ? "valid UTF-8" : "valid JSON", error.byte, body.size());
  } catch (const nlohmann::json::exception&) {
    fail(Code::kInvalidArgument, "[request] the body has a number that is too large for a 64-bit float");
  }
}

}  // namespace ganglion::http
