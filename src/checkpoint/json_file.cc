#include "checkpoint/json_file.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace ganglion::checkpoint {

nlohmann::json parse_json(std::string_view text, std::string_view place, const JsonLimits& limits) {
  if (text.size() > limits.bytes) {
    fail(Code::kResourceExhausted, "[json] {} has {} bytes: at most {} are read", place, text.size(), limits.bytes);
  }
  // The library takes a zero byte for the end of its input and would not look at what follows.
  if (text.find('\0') != std::string_view::npos)
    fail(Code::kDataCorrupt, "[json] {} is not JSON: it has a zero byte", place);
  using nlohmann::json;
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if ((event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) &&
        depth >= limits.depth) {
      fail(Code::kDataCorrupt, "[json] {} is nested more than {} deep", place, limits.depth);
    }
    if (!limits.refuse_duplicates) return true;
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      fail(Code::kDataCorrupt, "[json] {} has the key \"{}\" twice; remove one", place, value.get<std::string>());
    }
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), watch);
  } catch (const json::exception& error) {
    fail(Code::kDataCorrupt, "[json] {} is not JSON: {}", place, error.what());
  }
}

nlohmann::json read_json(const std::filesystem::path& path, const JsonLimits& limits) {
  return parse_json(read_text(path, limits.bytes), path.string(), limits);
}

}  // namespace ganglion::checkpoint
