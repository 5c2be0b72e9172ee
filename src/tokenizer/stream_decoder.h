// Token ids to text, one at a time, for one stream: what it returns is always whole characters. Bytes of a character
// that is not complete yet are held back; bytes that can no longer become one come out as U+FFFD. Of a tokenizer with
// byte fallback a whole run of bytes is held back until it ends, because only then is it known whether it is text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ganglion::tokenizer {

class Tokenizer;
struct DecodeOptions;

class StreamDecoder {
 public:
  // The tokenizer must outlive this.
  StreamDecoder(const Tokenizer& tokenizer, const DecodeOptions& options);

  // The text that `id` completes; possibly empty. All pieces and flush() together are what decode() gives for all ids.
  std::string push(std::int32_t id);
  // The end of the stream: what is held back, as U+FFFD where it is no text. The decoder is then as new.
  std::string flush();
  // The same, appended to `out`.
  void push(std::int32_t id, std::string& out);
  void flush(std::string& out);

 private:
  void push_bytes(std::int32_t id, std::string& out);
  void push_text(std::int32_t id, std::string& out);
  void end_run(std::string& out);
  void append(std::string_view text, std::string& out);

  const Tokenizer& tokenizer_;
  bool skip_special_tokens_;
  std::string held_;         // bytes that are not text yet
  bool first_ = true;        // no token has come yet
  std::int64_t strip_left_;  // how many characters may still be left out at the start
};

}  // namespace ganglion::tokenizer
