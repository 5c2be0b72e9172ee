#include "hub/url.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/error.h"

namespace ganglion::hub {
namespace {

constexpr std::size_t kMostBytes = 16 * 1024;

bool is_unreserved(unsigned char c) { return std::isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

[[noreturn]] void refuse(std::string_view place, std::string_view what) {
  fail(Code::kInvalidArgument, "[{}] {}; wanted http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH", place, what);
}

bool good_host(std::string_view host) {
  return !host.empty() && host.size() <= 255 &&
         std::all_of(host.begin(), host.end(), [](unsigned char c) { return is_unreserved(c) && c != '~'; });
}

bool good_ipv6(std::string_view host) {
  return host.size() >= 2 && host.size() <= 45 && std::all_of(host.begin(), host.end(), [](unsigned char c) {
           return std::isxdigit(c) || c == ':' || c == '.';
         });
}

void read_authority(std::string_view authority, std::string_view place, Url& url) {
  if (authority.find('@') != std::string_view::npos) {
    refuse(place, "the URL holds a user name or password, which belong in the environment");
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos || !good_ipv6(authority.substr(1, close - 1))) {
      refuse(place, "the URL's host is no IPv6 address in brackets");
    }
    url.host = lower(authority.substr(1, close - 1));
    port = authority.substr(close + 1);
    if (!port.empty() && !port.starts_with(':')) refuse(place, "something other than a port follows the URL's host");
    if (!port.empty()) port.remove_prefix(1);
  } else {
    const std::size_t colon = authority.find(':');
    if (!good_host(authority.substr(0, colon))) refuse(place, "the URL has no host, or one that is no name");
    url.host = lower(authority.substr(0, colon));
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
  }
  if (port.empty()) return;
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number == 0 || number > 65535) {
    refuse(place, "the URL's port is no number from 1 to 65535");
  }
  url.port = static_cast<std::uint16_t>(number);
  if (url.port == (url.scheme == "https" ? 443 : 80)) url.port = 0;
}

// Bytes that servers send unencoded although they must not: encoded, so that what is sent is well formed.
std::string tidy(std::string_view text) {
  std::string out;
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char character : text) {
    const auto c = static_cast<unsigned char>(character);
    if (c > 0x20 && c < 0x7F && c != '"' && c != '<' && c != '>' && c != '\\' && c != '^' && c != '`' && c != '{' &&
        c != '|' && c != '}') {
      out += character;
    } else {
      out += {'%', kHex[c >> 4], kHex[c & 15]};
    }
  }
  return out;
}

// RFC 3986 5.2.4.
std::string without_dots(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t next = path.find('/', 1);
    const std::string_view part = path.substr(0, next);
    const bool last = next == std::string_view::npos;
    path = last ? std::string_view() : path.substr(next);
    if (part == "/..") {
      out.resize(out.rfind('/') == std::string::npos ? 0 : out.rfind('/'));
      if (last) out += '/';
    } else if (part == "/.") {
      if (last) out += '/';
    } else {
      out += part;
    }
  }
  return out.empty() ? "/" : out;
}

void read_path(std::string_view rest, Url& url) {
  rest = rest.substr(0, rest.find('#'));
  const std::size_t question = rest.find('?');
  url.path = without_dots(tidy(rest.substr(0, question)));
  url.query = question == std::string_view::npos ? "" : tidy(rest.substr(question + 1));
}

void check_bytes(std::string_view text, std::string_view place) {
  if (text.size() > kMostBytes) refuse(place, "the URL is longer than 16384 bytes");
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) refuse(place, "the URL holds a control character");
  }
}

}  // namespace

Url Url::parse(std::string_view text, std::string_view place) {
  check_bytes(text, place);
  const std::size_t colon = text.find("://");
  Url url;
  url.scheme = colon == std::string_view::npos ? "" : lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") refuse(place, "the URL is neither http nor https");
  text.remove_prefix(colon + 3);
  const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
  read_authority(text.substr(0, end), place, url);
  const std::string_view rest = text.substr(end);
  read_path(rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest), url);
  return url;
}

Url Url::resolve(std::string_view reference, std::string_view place) const {
  check_bytes(reference, place);
  const std::size_t first = reference.find_first_of(":/?#");
  if (first != std::string_view::npos && reference[first] == ':') return parse(reference, place);
  if (reference.starts_with("//")) return parse(scheme + ":" + std::string(reference), place);
  Url url = *this;
  if (reference.starts_with('/')) {
    read_path(reference, url);
  } else if (reference.starts_with('?')) {
    read_path(path + std::string(reference), url);
  } else if (!reference.empty() && !reference.starts_with('#')) {
    read_path(path.substr(0, path.rfind('/') + 1) + std::string(reference), url);
  }
  return url;
}

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != 0) out += ":" + std::to_string(port);
  return out;
}

std::string Url::text() const { return shown() + (query.empty() ? "" : "?" + query); }

std::string Url::shown() const { return scheme + "://" + authority() + path; }

bool Url::same_origin(const Url& other) const noexcept {
  return scheme == other.scheme && host == other.host && effective_port() == other.effective_port();
}

std::string percent_encode(std::string_view text, bool keep_slash) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char character : text) {
    const auto c = static_cast<unsigned char>(character);
    if (is_unreserved(c) || (c == '/' && keep_slash)) {
      out += character;
    } else {
      out += {'%', kHex[c >> 4], kHex[c & 15]};
    }
  }
  return out;
}

std::string percent_decode(std::string_view text, std::string_view place) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    const char* begin = text.data() + i + 1;
    const bool whole = i + 2 < text.size();
    if (!whole || std::from_chars(begin, begin + 2, value, 16).ptr != begin + 2 || value == 0) {
      fail(Code::kInvalidArgument, "[{}] '{}': a '%' is not followed by two hexadecimal digits", place, text);
    }
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

std::string_view last_part(std::string_view path) noexcept { return path.substr(path.rfind('/') + 1); }

}  // namespace ganglion::hub
