// Finds the route of a path. Patterns are literal segments and {names}: "/predictions/{model}/{version}". A name takes
// exactly one non-empty segment, percent-decoded after the split, so that %2F never makes a new segment.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ganglion::http {

// One matched path: which route, and the values of its {names} in order.
struct Match {
  int route = 0;
  std::vector<std::string> values;
};

class Router {
 public:
  // Routes are tried in the order in which they were added. `method` "*" takes any.
  void add(int route, std::string_view method, std::string_view pattern);
  // nullopt when no route fits.
  std::optional<Match> find(std::string_view method, std::string_view path) const;

 private:
  struct Entry {
    int route;
    std::string method;
    std::vector<std::string> segments;
  };
  std::vector<Entry> entries_;
};

}  // namespace ganglion::http
