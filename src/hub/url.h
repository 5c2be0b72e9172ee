// URLs of the two schemes that files are fetched with, by RFC 3986 as far as http needs it. What may hold a secret (the
// query of a signed URL) is left out of shown(), which is what logs and errors print.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ganglion::hub {

struct Url {
  std::string scheme;      // "http" or "https"
  std::string host;        // lower case; an IPv6 address without its brackets
  std::uint16_t port = 0;  // 0: the scheme's
  std::string path = "/";  // percent-encoded
  std::string query;       // percent-encoded, without '?'

  // `place` starts messages. Errors: kInvalidArgument for what is no absolute http or https URL, holds blanks or
  // control characters, or a user name (credentials do not belong in URLs). No message repeats the query or the
  // credentials.
  static Url parse(std::string_view text, std::string_view place);
  // A reference as a Location header has it (RFC 3986 5.2); fragments are dropped. Errors as parse().
  Url resolve(std::string_view reference, std::string_view place) const;

  // host:port, the port only where it is not the scheme's; IPv6 in brackets.
  std::string authority() const;
  std::string text() const;
  // Without the query.
  std::string shown() const;
  std::uint16_t effective_port() const noexcept { return port != 0 ? port : scheme == "https" ? 443 : 80; }
  bool same_origin(const Url& other) const noexcept;
};

// Everything but RFC 3986's unreserved characters becomes %XX (upper case), '/' only when not `keep_slash`.
std::string percent_encode(std::string_view text, bool keep_slash);
// kInvalidArgument for a broken %XX or an encoded zero byte.
std::string percent_decode(std::string_view text, std::string_view place);
// The last part of a path, of "/a/b.zip" "b.zip".
std::string_view last_part(std::string_view path) noexcept;

}  // namespace ganglion::hub
