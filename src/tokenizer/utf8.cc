#include "tokenizer/utf8.h"

#include <cstdint>
#include <cstring>

namespace ganglion::tokenizer {

Utf8Char read_long_utf8(std::string_view text, std::size_t position) noexcept {
  const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  const unsigned char lead = byte(position);

  // The second byte's bounds exclude overlong forms, surrogates and values past U+10FFFF (Unicode, table 3-7).
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  char32_t code = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
    code = lead & 0x1Fu;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    code = lead & 0x0Fu;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    code = lead & 0x07u;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {kReplacement, 1, Utf8Status::kMalformed};
  }

  for (std::size_t i = 1; i < length; ++i) {
    if (position + i == text.size()) return {kReplacement, i, Utf8Status::kCutShort};
    const unsigned char next = byte(position + i);
    if (next < low || next > high) return {kReplacement, i, Utf8Status::kMalformed};
    code = (code << 6) | (next & 0x3Fu);
    low = 0x80;
    high = 0xBF;
  }
  return {code, length, Utf8Status::kValid};
}

std::size_t previous_utf8(std::string_view text, std::size_t position) noexcept {
  do {
    --position;
  } while (position > 0 && (static_cast<unsigned char>(text[position]) & 0xC0u) == 0x80u);
  return position;
}

void append_utf8(std::string& out, char32_t code) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) noexcept {
  for (std::size_t position = 0; position < text.size();) {
    // Eight ASCII characters at a time.
    if (text.size() - position >= 8) {
      std::uint64_t word;
      std::memcpy(&word, text.data() + position, 8);
      if ((word & 0x8080808080808080u) == 0) {
        position += 8;
        continue;
      }
    }
    const Utf8Char next = read_utf8(text, position);
    if (next.status != Utf8Status::kValid) return false;
    position += next.length;
  }
  return true;
}

std::string to_valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t position = 0; position < text.size();) {
    const Utf8Char next = read_utf8(text, position);
    if (next.status == Utf8Status::kValid) {
      out.append(text.substr(position, next.length));
    } else {
      out.append(kReplacementUtf8);
    }
    position += next.length;
  }
  return out;
}

}  // namespace ganglion::tokenizer
