// Reads any bytes as the files of a tokenizer: tokenizer.json up to a line "===", tokenizer_config.json up to the next,
// then a text. See fuzz_round_trip.h.
#include <cstdint>

#include "tokenizer/fuzz_round_trip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ganglion::tokenizer;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  TokenizerFiles files;
  files.tokenizer_json = std::string(take_part(rest));
  if (const std::string_view config = take_part(rest); !config.empty())
    files.tokenizer_config_json = std::string(config);
  round_trip(files, rest.empty() ? std::string_view("It's </s> a  test\n\xF0\x9F\x98\x80\xFF 42") : rest);
  return 0;
}
