#include "tokenizer/stream_decoder.h"

#include <utility>

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, const DecodeOptions& options)
    : tokenizer_(tokenizer),
      skip_special_tokens_(options.skip_special_tokens),
      strip_left_(tokenizer.decoder().strip_count) {}

std::string StreamDecoder::push(std::int32_t id) {
  std::string out;
  push(id, out);
  return out;
}

std::string StreamDecoder::flush() {
  std::string out;
  flush(out);
  return out;
}

void StreamDecoder::push(std::int32_t id, std::string& out) {
  if (skip_special_tokens_ && tokenizer_.is_special(id)) return;
  if (tokenizer_.decoder().kind == Decoder::Kind::kBytes) {
    push_bytes(id, out);
  } else if (tokenizer_.token_text(id) != nullptr) {
    push_text(id, out);
  }
}

void StreamDecoder::flush(std::string& out) {
  if (tokenizer_.decoder().kind == Decoder::Kind::kBytes) {
    if (!held_.empty()) out += kReplacementUtf8;
    held_.clear();
  } else {
    end_run(out);
  }
  first_ = true;
  strip_left_ = tokenizer_.decoder().strip_count;
}

void StreamDecoder::push_bytes(std::int32_t id, std::string& out) {
  const std::string_view bytes = tokenizer_.token_bytes(id);
  if (held_.empty() && is_valid_utf8(bytes)) {
    out += bytes;
    return;
  }
  held_ += bytes;
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
}

void StreamDecoder::push_text(std::int32_t id, std::string& out) {
  const bool first = std::exchange(first_, false);
  const Decoder& decoder = tokenizer_.decoder();
  if (tokenizer_.is_byte(id)) {
    held_ += tokenizer_.token_bytes(id);
    return;
  }
  end_run(out);
  if (first && !decoder.drop_from_first.empty()) {
    append(replace_all(*tokenizer_.token_text(id), {decoder.drop_from_first, ""}), out);
  } else {
    append(tokenizer_.token_bytes(id), out);
  }
}

void StreamDecoder::end_run(std::string& out) {
  if (held_.empty()) return;
  if (is_valid_utf8(held_)) {
    append(held_, out);
  } else {
    for (std::size_t i = 0; i < held_.size(); ++i) append(kReplacementUtf8, out);
  }
  held_.clear();
}

void StreamDecoder::append(std::string_view text, std::string& out) {
  const std::string& strip = tokenizer_.decoder().strip;
  while (strip_left_ > 0 && text.starts_with(strip)) {
    text.remove_prefix(strip.size());
    --strip_left_;
  }
  if (text.empty()) return;
  strip_left_ = 0;
  out += text;
}

}  // namespace ganglion::tokenizer
