// Reading JSON that came from outside: config.json, index files, tokenizer files. Bounded in size and in depth, so that
// no file can exhaust memory or the stack. (The header of a safetensors file has its own reader: see header.h.)
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace ganglion::checkpoint {

struct JsonLimits {
  std::uint64_t bytes = 64u << 20;
  int depth = 64;  // of nested arrays and objects
  // Python's json keeps the last of two equal keys, and so do we unless told to refuse them.
  bool refuse_duplicates = false;
};

// The file's value. Errors: {kDataCorrupt} when it is not JSON, not UTF-8, nested deeper than allowed or (if asked for)
// has a key twice; {kResourceExhausted} when it is larger than allowed; and what File throws. The message names the
// path.
nlohmann::json read_json(const std::filesystem::path& path, const JsonLimits& limits = {});
// The same for a text in memory; `place` names it in messages.
nlohmann::json parse_json(std::string_view text, std::string_view place, const JsonLimits& limits = {});

}  // namespace ganglion::checkpoint
