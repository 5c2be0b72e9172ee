// JSON as DJL Serving writes it: by Gson for the server's own bodies, by Python's json module for what handlers return.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace ganglion::server {

// Gson's pretty printing: two spaces, HTML-sensitive characters escaped (' < > & = as \u00XX), a line break at the end.
std::string gson_text(const nlohmann::ordered_json& value);
// Python's json.dumps(indent=2, separators=(",", ":"), ensure_ascii=False), as djl_python's Output.add has it.
std::string python_text(const nlohmann::ordered_json& value);
// Python's json.dumps(ensure_ascii=False): one line, ", " and ": " between items.
std::string python_line(const nlohmann::ordered_json& value);
// {"code": ..., "type": ..., "message": ...}, the body of every error of the front end. An empty message is left out.
std::string error_text(int status, std::string_view type, std::string_view message);

}  // namespace ganglion::server
