#include "checkpoint/quoted.h"

#include <fmt/core.h>

#include <cstddef>

namespace ganglion::checkpoint {
namespace {

// The bytes of the character that begins at `text[0]`, by the table of well-formed sequences of the Unicode standard
// (table 3-7); 0 when none does.
std::size_t character_size(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto is_tail = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return is_tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    return is_tail(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf) && is_tail(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    return is_tail(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf) && is_tail(2) && is_tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string in_quotes(std::string_view name) {
  constexpr std::size_t kShown = 100;
  std::string out = "\"";
  std::size_t i = 0;
  while (i < name.size()) {
    const std::size_t size = character_size(name.substr(i));
    if (name.size() > kShown && i + size > kShown) break;
    const auto byte = static_cast<unsigned char>(name[i]);
    if (size == 0 || byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
      ++i;
    } else {
      out += name.substr(i, size);
      i += size;
    }
  }
  return out + (i < name.size() ? "...\"" : "\"");
}

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = character_size(text.substr(i));
    if (size == 0) return false;
    i += size;
  }
  return true;
}

}  // namespace ganglion::checkpoint
