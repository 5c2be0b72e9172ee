#include "server/properties.h"

#include <charconv>
#include <unordered_map>

#include "base/error.h"
#include "http/message.h"

namespace ganglion::server {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f'; }

// One logical line: comments and blank lines gone, continuations joined, escapes still there. False at the end.
bool next_logical_line(std::string_view text, std::size_t& at, std::string& line) {
  line.clear();
  bool continued = false;
  while (at < text.size()) {
    std::size_t end = text.find_first_of("\r\n", at);
    if (end == std::string_view::npos) end = text.size();
    std::string_view natural = text.substr(at, end - at);
    at = end;
    if (at < text.size()) at += text.substr(at, 2) == "\r\n" ? 2 : 1;
    while (!natural.empty() && is_blank(natural.front())) natural.remove_prefix(1);
    if (!continued && (natural.empty() || natural.front() == '#' || natural.front() == '!')) continue;
    std::size_t backslashes = 0;
    while (backslashes < natural.size() && natural[natural.size() - 1 - backslashes] == '\\') ++backslashes;
    continued = backslashes % 2 == 1;
    line += natural.substr(0, natural.size() - (continued ? 1 : 0));
    if (!continued) return true;
  }
  return continued;
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// The four hex digits at the front of `text`.
std::optional<std::uint32_t> utf16_unit(std::string_view text) {
  std::uint32_t unit = 0;
  if (text.size() < 4) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 4, unit, 16);
  if (error != std::errc() || end != text.data() + 4) return std::nullopt;
  return unit;
}

std::string unescape(std::string_view text, const std::string& place) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) break;
    switch (text[i]) {
      case 't':
        out += '\t';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 'f':
        out += '\f';
        break;
      case 'u': {
        const auto unit = utf16_unit(text.substr(i + 1));
        if (!unit)
          fail(Code::kInvalidArgument, "[{}] '{}': wanted four hex digits after \\u", place, text.substr(0, 200));
        std::uint32_t code = *unit;
        i += 4;
        if (code >= 0xD800 && code < 0xDC00 && text.substr(i + 1, 2) == "\\u") {
          const auto low = utf16_unit(text.substr(i + 3));
          if (low && *low >= 0xDC00 && *low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (*low - 0xDC00);
            i += 6;
          }
        }
        if (code >= 0xD800 && code < 0xE000) code = 0xFFFD;  // half a pair has no UTF-8
        append_utf8(out, code);
        break;
      }
      default:
        out += text[i];
    }
  }
  return out;
}

}  // namespace

Properties Properties::parse(std::string_view text, std::string place) {
  Properties properties;
  properties.place_ = std::move(place);
  std::unordered_map<std::string, std::size_t> index;
  std::string line;
  for (std::size_t at = 0; next_logical_line(text, at, line);) {
    const std::string_view view = line;
    std::size_t end = 0;
    while (end < view.size() && !is_blank(view[end]) && view[end] != '=' && view[end] != ':')
      end += view[end] == '\\' ? 2 : 1;
    if (end > view.size()) end = view.size();
    std::size_t value = end;
    while (value < view.size() && is_blank(view[value])) ++value;
    if (value < view.size() && (view[value] == '=' || view[value] == ':')) ++value;
    while (value < view.size() && is_blank(view[value])) ++value;
    std::string key = unescape(view.substr(0, end), properties.place_);
    std::string text_value = unescape(view.substr(value), properties.place_);
    const auto [found, inserted] = index.emplace(key, properties.entries_.size());
    if (inserted) {
      properties.entries_.emplace_back(std::move(key), std::move(text_value));
    } else {
      properties.entries_[found->second].second = std::move(text_value);
    }
  }
  return properties;
}

std::optional<std::string> Properties::get(std::string_view key) const {
  for (const auto& [name, value] : entries_) {
    if (name == key) return value;
  }
  return std::nullopt;
}

void Properties::set(std::string key, std::string value) {
  for (auto& entry : entries_) {
    if (entry.first == key) {
      entry.second = std::move(value);
      return;
    }
  }
  entries_.emplace_back(std::move(key), std::move(value));
}

std::optional<std::int64_t> Properties::integer(std::string_view key, std::int64_t low, std::int64_t high) const {
  const auto text = get(key);
  if (!text) return std::nullopt;
  std::string_view digits = *text;
  while (!digits.empty() && is_blank(digits.back())) digits.remove_suffix(1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number < low || number > high) {
    fail(Code::kInvalidArgument, "[{}] {}={}: wanted a whole number from {} to {}", place_, key, *text, low, high);
  }
  return number;
}

std::optional<bool> Properties::boolean(std::string_view key) const {
  const auto text = get(key);
  if (!text) return std::nullopt;
  std::string_view word = *text;
  while (!word.empty() && is_blank(word.back())) word.remove_suffix(1);
  if (http::equal_ignoring_case(word, "true")) return true;
  if (http::equal_ignoring_case(word, "false")) return false;
  fail(Code::kInvalidArgument, "[{}] {}={}: wanted true or false", place_, key, *text);
}

}  // namespace ganglion::server
