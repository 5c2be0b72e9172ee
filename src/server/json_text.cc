#include "server/json_text.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

namespace ganglion::server {
namespace {

using Json = nlohmann::ordered_json;

struct Style {
  bool html = false;       // escape what Gson escapes
  bool pretty = true;      // line breaks, two spaces of indent
  std::string_view colon;  // between key and value
  std::string_view comma;  // between items of one line
};

void write_string(const std::string& text, const Style& style, std::string& out) {
  out += '"';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    switch (c) {
      case '"':
        out += "\\\"";
        continue;
      case '\\':
        out += "\\\\";
        continue;
      case '\n':
        out += "\\n";
        continue;
      case '\r':
        out += "\\r";
        continue;
      case '\t':
        out += "\\t";
        continue;
      case '\b':
        out += "\\b";
        continue;
      case '\f':
        out += "\\f";
        continue;
      default:
        break;
    }
    const bool html = style.html && (c == '<' || c == '>' || c == '&' || c == '=' || c == '\'');
    if (static_cast<unsigned char>(c) < 0x20 || html) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else if (style.html && text.compare(i, 2, "\xE2\x80") == 0 && i + 2 < text.size() &&
               (text[i + 2] == '\xA8' || text[i + 2] == '\xA9')) {
      out += text[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out += c;
    }
  }
  out += '"';
}

void write(const Json& value, const Style& style, int depth, std::string& out) {
  const auto line = [&](int level) {
    if (style.pretty) out.append("\n").append(static_cast<std::size_t>(level) * 2, ' ');
  };
  if (value.is_string()) return write_string(value.get_ref<const std::string&>(), style, out);
  if (!value.is_structured()) {
    out += value.dump();
    return;
  }
  const bool object = value.is_object();
  out += object ? '{' : '[';
  bool first = true;
  for (auto item = value.begin(); item != value.end(); ++item) {
    if (!first) out += style.pretty ? "," : style.comma;
    first = false;
    line(depth + 1);
    if (object) {
      write_string(item.key(), style, out);
      out += style.colon;
    }
    write(*item, style, depth + 1, out);
  }
  if (!first) line(depth);
  out += object ? '}' : ']';
}

std::string text_of(const Json& value, const Style& style) {
  std::string out;
  write(value, style, 0, out);
  return out;
}

}  // namespace

std::string gson_text(const Json& value) {
  return text_of(value, {.html = true, .pretty = true, .colon = ": ", .comma = ","}) + "\n";
}

std::string python_text(const Json& value) {
  return text_of(value, {.html = false, .pretty = true, .colon = ":", .comma = ","});
}

std::string python_line(const Json& value) {
  return text_of(value, {.html = false, .pretty = false, .colon = ": ", .comma = ", "});
}

std::string error_text(int status, std::string_view type, std::string_view message) {
  Json body = {{"code", status}, {"type", type}};
  if (!message.empty()) body["message"] = message;
  return gson_text(body);
}

}  // namespace ganglion::server
