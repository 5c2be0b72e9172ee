#include "tokenizer/decoder.h"

#include <utility>

#include "tokenizer/byte_level.h"

namespace ganglion::tokenizer {
namespace {

std::optional<int> hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return std::nullopt;
}

}  // namespace

std::optional<unsigned char> Decoder::named_byte(std::string_view token) noexcept {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  // Rust's number parser, which defines this, takes a plus sign too.
  const std::optional<int> high = token[3] == '+' ? 0 : hex_digit(token[3]);
  const std::optional<int> low = hex_digit(token[4]);
  if (!high || !low) return std::nullopt;
  return static_cast<unsigned char>(16 * *high + *low);
}

Decoder::Piece Decoder::piece(const std::string& token) const {
  if (kind == Kind::kBytes) return {alphabet_to_bytes(token), false};
  std::string text = replacements.apply(token);
  if (byte_fallback) {
    if (const auto byte = named_byte(text)) return {std::string(1, static_cast<char>(*byte)), true};
  }
  return {std::move(text), false};
}

}  // namespace ganglion::tokenizer
