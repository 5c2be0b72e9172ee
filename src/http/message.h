// What the HTTP server hands to a handler and takes back: plain values, no sockets. See server.h for who calls whom.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ganglion::http {

// Header fields in the order of the wire; names are compared without case.
class Headers {
 public:
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  // Replaces every field of that name.
  void set(std::string_view name, std::string value);
  // The first value; nullopt when there is none.
  std::optional<std::string_view> get(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  bool has(std::string_view name) const { return count(name) > 0; }
  const std::vector<std::pair<std::string, std::string>>& fields() const noexcept { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
  std::string method;                                      // as sent: "POST"
  std::string target;                                      // as sent: "/predictions/m?x=1"
  std::string path;                                        // before '?', still percent-encoded
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
  Headers headers;
  std::string body;
  std::string remote;      // "127.0.0.1:40312"
  int minor_version = 1;   // HTTP/1.0 or HTTP/1.1
  bool keep_alive = true;  // what the client asked for

  // First query parameter of that name; nullopt when there is none.
  std::optional<std::string_view> parameter(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string reason;  // empty: the usual phrase of the status
  Headers headers;     // without content-length, transfer-encoding and connection, which the server adds
  std::string body;
  bool close = false;  // close the connection after this answer
};

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;
// True when the comma-separated `list` has `token` among its elements, without case.
bool list_has_token(std::string_view list, std::string_view token) noexcept;
// Decodes %XX (and '+' as a space when asked); nullopt when an escape is broken.
enum class Plus { kKeep, kSpace };
std::optional<std::string> percent_decode(std::string_view text, Plus plus);
// Splits an origin-form or absolute-form target into path and decoded query; false when an escape is broken.
bool parse_target(std::string_view target, std::string& path, std::vector<std::pair<std::string, std::string>>& query);
// "OK", "Not Found", ...; "Unknown" for a status without a usual phrase.
std::string_view reason_phrase(int status) noexcept;

}  // namespace ganglion::http
