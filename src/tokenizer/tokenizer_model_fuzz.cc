// Reads any bytes as a tokenizer.model with a tokenizer_config.json: the config up to a line "===", then a text up to the
// next, then the model. What loads must encode and decode the text; nothing but an Error of the codes that tokenizer.h
// names may come out.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

using namespace ganglion;
using namespace ganglion::tokenizer;

namespace {

std::string_view take_part(std::string_view& rest) {
  constexpr std::string_view kMark = "\n===\n";
  const std::size_t mark = rest.find(kMark);
  if (mark == std::string_view::npos) return {};
  const std::string_view part = rest.substr(0, mark);
  rest.remove_prefix(mark + kMark.size());
  return part;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  TokenizerFiles files;
  if (const std::string_view config = take_part(rest); !config.empty())
    files.tokenizer_config_json = std::string(config);
  std::string_view text = take_part(rest);
  if (text.empty()) text = "It's <sep>  a\ttest\n\xF0\x9F\x98\x80\xFF 42";
  files.tokenizer_model = std::string(rest);
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
  return 0;
}
