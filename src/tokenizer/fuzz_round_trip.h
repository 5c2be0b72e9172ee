// What the fuzz targets of tokenizer files have in common: their parts, and what must hold for whatever loads.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {

// Takes the part up to a line "===", with that line; all of `rest` when there is none.
inline std::string_view take_part(std::string_view& rest) {
  constexpr std::string_view kMark = "\n===\n";
  const std::size_t mark = rest.find(kMark);
  const std::string_view part = rest.substr(0, mark);
  rest = mark == std::string_view::npos ? std::string_view{} : rest.substr(mark + kMark.size());
  return part;
}

// Aborts unless what loads encodes and decodes the text, as a whole and as a stream, and what does not load is refused
// with an Error of the codes that tokenizer.h names.
inline void round_trip(const TokenizerFiles& files, std::string_view text) {
  try {
    const auto tokenizer = Tokenizer::from_files(files);
    const auto ids = tokenizer->encode(text);
    const std::string decoded = tokenizer->decode(ids, {.skip_special_tokens = true});
    if (to_valid_utf8(decoded) != decoded) std::abort();
    StreamDecoder decoder(*tokenizer, {.skip_special_tokens = true});
    std::string pieces;
    for (const std::int32_t id : ids) pieces += decoder.push(id);
    if (pieces + decoder.flush() != decoded) std::abort();
    if (tokenizer->encode(text) != ids) std::abort();
  } catch (const Error& error) {
    if (error.code() != Code::kDataCorrupt && error.code() != Code::kUnsupported) std::abort();
  }
}

}  // namespace ganglion::tokenizer
