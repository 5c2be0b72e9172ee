#include "tokenizer/pattern_syntax.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {
namespace {

constexpr std::size_t kMaxExpression = 8192;
constexpr int kMaxDepth = 50;
constexpr int kMaxRepeat = 1000;

bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// The characters of \s, as the inside of a class.
std::string white_space() {
  std::string out;
  for (std::size_t i = 0; i < kSpacesCount; ++i)
    out += fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", kSpaces[i].first, kSpaces[i].last);
  return out;
}

class Translator {
 public:
  Translator(std::string_view text, std::string_view place) : text_(text), place_(place) {
    if (text.size() > kMaxExpression)
      fail(Code::kUnsupported, "[{}] has {} bytes; at most {} are supported", place, text.size(), kMaxExpression);
  }

  std::string translate() {
    alternatives(/*depth=*/0, /*ignore_case=*/false);
    if (at_ < text_.size()) refuse(")");
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail(Code::kUnsupported, "[{}] '{}' in the pattern '{}' is not supported", place_, what, text_);
  }

  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void copy(std::size_t count) {
    out_ += text_.substr(at_, count);
    at_ += count;
  }

  void alternatives(int depth, bool ignore_case) {
    if (depth > kMaxDepth) refuse("( nested deeply");
    while (at_ < text_.size() && peek() != ')') {
      if (peek() == '|') {
        copy(1);
        continue;
      }
      atom(depth, ignore_case);
      quantifier();
    }
  }

  void atom(int depth, bool ignore_case) {
    const char c = peek();
    if (c == '(') return group(depth, ignore_case);
    // Where case is ignored Oniguruma knows one character for two ("ß" for "ss"), and PCRE2 does not.
    if (ignore_case) check_fold();
    if (c == '[') return character_class();
    if (c == '\\') return escape(/*in_class=*/false);
    if (std::string_view("^$*+?{}]").find(c) != std::string_view::npos) refuse(std::string_view(&c, 1));
    literal();
  }

  void literal() {
    const char c = peek();
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r') refuse("a control character");
    copy(read_utf8(text_, at_).length);
  }

  void check_fold() const {
    if (!is_letter(peek()) && peek() != '\'') refuse(fmt::format("{} where case is ignored", peek()));
    std::string pair{peek(), peek(1)};
    for (char& c : pair) c = is_letter(c) ? static_cast<char>(c | 0x20) : c;
    constexpr std::array kFolds = {"ss", "ff", "fi", "fl", "st"};
    if (std::find(kFolds.begin(), kFolds.end(), pair) != kFolds.end())
      refuse(fmt::format("{} where case is ignored", pair));
  }

  void group(int depth, bool ignore_case) {
    bool inner_ignores = ignore_case;
    bool known = false;
    for (const char* opening : {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"}) {
      if (known || !take(opening)) continue;
      known = true;
      out_ += opening;
      inner_ignores = ignore_case || std::string_view(opening) == "(?i:";
    }
    if (!known) {
      if (peek(1) == '?' || peek(1) == '*') refuse(text_.substr(at_, 3));
      copy(1);
    }
    alternatives(depth + 1, inner_ignores);
    if (peek() != ')') refuse("( without )");
    copy(1);
  }

  void quantifier() {
    const char c = peek();
    if (c == '*' || c == '+' || c == '?') {
      copy(1);
      if (peek() == '?' || peek() == '+') copy(1);
    } else if (c == '{') {
      bounds();
    } else {
      return;
    }
    if (std::string_view("*+?{").find(peek()) != std::string_view::npos && peek() != '\0')
      refuse("a quantifier after another");
  }

  // {n}, {n,} or {n,m}: other forms mean different things.
  void bounds() {
    const std::size_t end = text_.find('}', at_);
    const std::string_view inside = text_.substr(at_ + 1, end == std::string_view::npos ? 0 : end - at_ - 1);
    const std::size_t comma = std::min(inside.find(','), inside.size());
    const std::string_view low = inside.substr(0, comma);
    const std::string_view high = comma < inside.size() ? inside.substr(comma + 1) : std::string_view();
    const auto is_bound = [](std::string_view number) {
      return number.size() <= 4 && std::all_of(number.begin(), number.end(), is_digit) &&
             (number.empty() || std::stoi(std::string(number)) <= kMaxRepeat);
    };
    const auto value = [](std::string_view number) { return std::stoi(std::string(number)); };
    if (low.empty() || !is_bound(low) || !is_bound(high) || (!high.empty() && value(high) < value(low)))
      refuse(text_.substr(at_, 8));
    copy(end + 1 - at_);
  }

  void escape(bool in_class) {
    const char c = peek(1);
    if (c == 's' || (c == 'S' && !in_class)) {
      at_ += 2;
      const std::string spaces = white_space();
      out_ += in_class ? spaces : fmt::format("[{}{}]", c == 'S' ? "^" : "", spaces);
    } else if (c == 'p' || c == 'P') {
      property();
    } else if (c == 'r' || c == 'n' || c == 't' || c == 'd' || (c == 'D' && !in_class)) {
      copy(2);
    } else if (c == '\0' || is_letter(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80 || c < 0x20) {
      refuse(text_.substr(at_, 2));
    } else {
      copy(2);  // a sign that stands for itself
    }
  }

  // General categories only: of scripts the two have different ideas.
  void property() {
    const std::size_t end = text_.find('}', at_);
    const std::string_view name =
        peek(2) == '{' && end != std::string_view::npos ? text_.substr(at_ + 3, end - at_ - 3) : std::string_view();
    constexpr std::string_view kKnown =
        " L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp ";
    if (name.empty() || name.size() > 2 || kKnown.find(fmt::format(" {} ", name)) == std::string_view::npos)
      refuse(text_.substr(at_, end == std::string_view::npos ? 3 : end + 1 - at_));
    copy(end + 1 - at_);
  }

  void character_class() {
    const std::size_t start = at_;
    copy(1);
    if (peek() == '^') copy(1);
    if (peek() == ']') refuse(text_.substr(start, 3));
    while (peek() != ']') {
      if (at_ >= text_.size()) refuse("[ without ]");
      if (peek() == '[' || (peek() == '&' && peek(1) == '&')) refuse(text_.substr(at_, 2));
      if (peek() == '\\') {
        const bool is_set = std::string_view("spPd").find(peek(1)) != std::string_view::npos;
        escape(/*in_class=*/true);
        if (is_set && peek() == '-' && peek(1) != ']') refuse("a range from a class");
        continue;
      }
      // "a-z": its end must be a plain character too.
      literal();
      if (peek() == '-' && peek(1) != ']') {
        copy(1);
        if (peek() == '\\' || peek() == '[' || at_ >= text_.size()) refuse("a range to an escape");
        literal();
      }
    }
    copy(1);
  }

  std::string_view text_;
  std::string_view place_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string to_pcre2(std::string_view expression, std::string_view place) {
  return Translator(expression, place).translate();
}

}  // namespace ganglion::tokenizer
