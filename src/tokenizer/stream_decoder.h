// Token ids to text, one at a time, for one stream: what it returns is always whole characters. Bytes of a character
// that is not complete yet are held back; bytes that can no longer become one come out as U+FFFD.
#pragma once

#include <cstdint>
#include <string>

namespace ganglion::tokenizer {

class Tokenizer;
struct DecodeOptions;

class StreamDecoder {
 public:
  // The tokenizer must outlive this.
  StreamDecoder(const Tokenizer& tokenizer, const DecodeOptions& options);

  // The text that `id` completes; possibly empty. All pieces and flush() together are what decode() gives for all ids.
  std::string push(std::int32_t id);
  // The end of the stream: U+FFFD if bytes are held back, else empty. The decoder is then as new.
  std::string flush();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_tokens_;
  std::string held_;  // at most 3 bytes between calls
};

}  // namespace ganglion::tokenizer
