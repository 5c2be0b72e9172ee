#include "hub/proxy.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "hub/address.h"

namespace ganglion::hub {
namespace {

// Of an address in its usual text form; family AF_UNSPEC for a name.
struct Bits {
  int family = AF_UNSPEC;
  std::array<unsigned char, 16> bytes{};
  int count() const noexcept { return family == AF_INET ? 32 : 128; }
};

Bits bits_of(const std::string& host) {
  Bits out;
  for (const int family : {AF_INET, AF_INET6}) {
    if (::inet_pton(family, host.c_str(), out.bytes.data()) == 1) {
      out.family = family;
      break;
    }
  }
  return out;
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

bool same_network(const Bits& a, const Bits& b, int bits) {
  if (a.family == AF_UNSPEC || a.family != b.family || bits < 0 || bits > a.count()) return false;
  for (int i = 0; i < bits; ++i) {
    const int mask = 0x80 >> (i % 8);
    if ((a.bytes[static_cast<std::size_t>(i / 8)] & mask) != (b.bytes[static_cast<std::size_t>(i / 8)] & mask))
      return false;
  }
  return true;
}

bool names(std::string entry, const Url& url) {
  if (entry == "*") return true;
  std::transform(entry.begin(), entry.end(), entry.begin(), [](unsigned char c) { return std::tolower(c); });
  const bool bracketed = entry.starts_with('[');
  const std::size_t close = entry.find(']');
  const std::size_t colon = entry.rfind(':');
  const bool has_port = bracketed ? close != std::string::npos && colon == close + 1
                                  : colon != std::string::npos && entry.find(':') == colon;
  if (has_port) {
    if (number(std::string_view(entry).substr(colon + 1)) != url.effective_port()) return false;
    entry.resize(colon);
  }
  if (bracketed && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);

  std::string host = url.host;
  if (host.ends_with('.')) host.pop_back();
  if (const Bits address = bits_of(host); address.family != AF_UNSPEC) {
    const std::size_t slash = entry.find('/');
    const Bits other = bits_of(entry.substr(0, slash));
    const auto bits = slash == std::string::npos ? other.count() : number(std::string_view(entry).substr(slash + 1));
    return bits && same_network(address, other, *bits);
  }
  if (entry.starts_with("*.")) entry.erase(0, 1);
  if (entry.starts_with('.')) entry.erase(0, 1);
  if (entry.ends_with('.')) entry.pop_back();
  return !entry.empty() && (host == entry || host.ends_with("." + entry));
}

}  // namespace

bool is_exempt(const Url& url, std::string_view no_proxy) {
  constexpr std::string_view kBetween = ", \t";
  while (!no_proxy.empty()) {
    const std::size_t end = std::min(no_proxy.find_first_of(kBetween), no_proxy.size());
    if (end > 0 && names(std::string(no_proxy.substr(0, end)), url)) return true;
    no_proxy.remove_prefix(std::min(end + 1, no_proxy.size()));
  }
  return false;
}

std::optional<std::string> proxy_for(const Url& url, const HttpOptions& options) {
  const auto& proxy = url.scheme == "https" ? options.https_proxy : options.http_proxy;
  if (!proxy || is_loopback(url.host) || is_exempt(url, options.no_proxy.value_or(""))) return std::nullopt;
  return proxy;
}

std::string shown_proxy(std::string_view proxy) {
  const std::size_t scheme = proxy.find("://");
  const std::size_t begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  const std::size_t at = proxy.rfind('@');
  if (at == std::string_view::npos || at < begin) return std::string(proxy);
  return std::string(proxy.substr(0, begin)) + std::string(proxy.substr(at + 1));
}

}  // namespace ganglion::hub
