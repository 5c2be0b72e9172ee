#include "http/router.h"

#include "base/error.h"
#include "http/message.h"

namespace ganglion::http {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  path.remove_prefix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    segments.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

void Router::add(int route, std::string_view method, std::string_view pattern) {
  GANGLION_CHECK(pattern.starts_with('/'));
  entries_.push_back({route, std::string(method), split(pattern)});
}

std::optional<Match> Router::find(std::string_view method, std::string_view path) const {
  if (!path.starts_with('/')) return std::nullopt;
  const std::vector<std::string> segments = split(path);
  for (const Entry& entry : entries_) {
    if (entry.segments.size() != segments.size() || (entry.method != "*" && entry.method != method)) continue;
    Match match{entry.route, {}};
    bool fits = true;
    for (std::size_t i = 0; i < segments.size() && fits; ++i) {
      auto decoded = percent_decode(segments[i], Plus::kKeep);
      if (!decoded) return std::nullopt;
      if (entry.segments[i].starts_with('{')) {
        fits = !decoded->empty();
        match.values.push_back(std::move(*decoded));
      } else {
        fits = *decoded == entry.segments[i];
      }
    }
    if (fits) return match;
  }
  return std::nullopt;
}

}  // namespace ganglion::http
