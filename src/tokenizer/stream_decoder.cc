#include "tokenizer/stream_decoder.h"

#include <utility>

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, const DecodeOptions& options)
    : tokenizer_(tokenizer), skip_special_tokens_(options.skip_special_tokens) {}

std::string StreamDecoder::push(std::int32_t id) {
  if (skip_special_tokens_ && tokenizer_.is_special(id)) return {};
  held_ += tokenizer_.token_bytes(id);
  std::string out;
  std::size_t position = 0;
  while (position < held_.size()) {
    const Utf8Char next = read_utf8(held_, position);
    if (next.status == Utf8Status::kCutShort) break;
    if (next.status == Utf8Status::kValid) {
      out.append(held_, position, next.length);
    } else {
      out += kReplacementUtf8;
    }
    position += next.length;
  }
  held_.erase(0, position);
  return out;
}

std::string StreamDecoder::flush() {
  const std::string left = std::exchange(held_, {});
  return left.empty() ? std::string() : std::string(kReplacementUtf8);
}

}  // namespace ganglion::tokenizer
