// Reads any bytes as a tokenizer.model with a tokenizer_config.json: the config up to a line "===", then a text up to
// the next, then the model; all of it as the model when there are no two such lines. See fuzz_round_trip.h.
#include <cstdint>

#include "tokenizer/fuzz_round_trip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ganglion::tokenizer;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  std::string_view rest = all;
  const std::string_view config = take_part(rest), text = take_part(rest);
  const bool whole = rest.empty();
  TokenizerFiles files;
  files.tokenizer_model = std::string(whole ? all : rest);
  if (!whole && !config.empty()) files.tokenizer_config_json = std::string(config);
  round_trip(files, whole || text.empty() ? std::string_view("It's <sep>  a\ttest\n\xF0\x9F\x98\x80\xFF 42") : text);
  return 0;
}
