// Reading JSON that a stranger wrote: config.json, index files, tokenizer files, request bodies. Bounded in size, in
// depth and in number of values before the parser sees it, so that no text can exhaust memory or the stack. (The header
// of a safetensors file has its own reader: checkpoint/header.h.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "base/error.h"

namespace ganglion {

struct JsonLimits {
  std::uint64_t bytes = 64u << 20;
  int depth = 64;                             // of nested arrays and objects
  std::size_t values = std::size_t{1} << 23;  // members and elements in all
  bool refuse_duplicates = false;             // of keys; else the last counts, as in Python
  Code malformed = Code::kDataCorrupt;        // what a text that is not JSON is: a file's fault or a caller's
};

// The value of a text, by RFC 8259: no NaN, no comments, nothing after it, valid UTF-8. `place` names it in messages.
// Error{limits.malformed} when it is not JSON, nested too deep or of too many values, with the byte where reading
// stopped; {kResourceExhausted} when it is too long. A key that comes twice, when asked to refuse it, is
// {limits.malformed} too.
nlohmann::json parse_json(std::string_view text, std::string_view place, const JsonLimits& limits = {});
// The same for a file; throws what File throws, too.
nlohmann::json read_json(const std::filesystem::path& path, const JsonLimits& limits = {});

}  // namespace ganglion
