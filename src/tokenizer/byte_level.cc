#include "tokenizer/byte_level.h"

#include <array>
#include <cstddef>

#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {
namespace {

constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

constexpr std::size_t kMovedCount = 68;

struct Alphabet {
  std::array<char32_t, 256> chars{};
  std::array<unsigned char, kMovedCount> moved{};  // moved[i] is written U+0100 + i
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  std::size_t next = 0;
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (stands_for_itself(byte)) {
      alphabet.chars[byte] = byte;
    } else {
      alphabet.moved[next] = static_cast<unsigned char>(byte);
      alphabet.chars[byte] = static_cast<char32_t>(0x100 + next++);
    }
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();
static_assert(kAlphabet.chars[' '] == 0x120 && kAlphabet.chars[0xAD] == 0x100 + kMovedCount - 1);

}  // namespace

char32_t byte_to_char(unsigned char byte) noexcept { return kAlphabet.chars[byte]; }

std::optional<unsigned char> char_to_byte(char32_t code) noexcept {
  if (code < 0x100) {
    if (!stands_for_itself(static_cast<unsigned>(code))) return std::nullopt;
    return static_cast<unsigned char>(code);
  }
  if (code < 0x100 + kMovedCount) return kAlphabet.moved[code - 0x100];
  return std::nullopt;
}

std::string bytes_to_alphabet(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) append_utf8(out, byte_to_char(static_cast<unsigned char>(byte)));
  return out;
}

std::string alphabet_to_bytes(std::string_view token) {
  std::string out;
  out.reserve(token.size());
  for (std::size_t position = 0; position < token.size();) {
    const Utf8Char next = read_utf8(token, position);
    const std::optional<unsigned char> byte = char_to_byte(next.code);
    if (!byte) return std::string(token);
    out.push_back(static_cast<char>(*byte));
    position += next.length;
  }
  return out;
}

bool is_in_byte_alphabet(std::string_view token) noexcept {
  for (std::size_t position = 0; position < token.size();) {
    const Utf8Char next = read_utf8(token, position);
    if (!char_to_byte(next.code)) return false;
    position += next.length;
  }
  return true;
}

}  // namespace ganglion::tokenizer
