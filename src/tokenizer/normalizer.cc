#include "tokenizer/normalizer.h"

#include "base/error.h"

namespace ganglion::tokenizer {
namespace {

std::size_t occurrences(std::string_view text, std::string_view wanted) {
  std::size_t count = 0;
  for (std::size_t at = text.find(wanted); at != std::string_view::npos; at = text.find(wanted, at + wanted.size()))
    ++count;
  return count;
}

void check_growth(std::size_t size, std::size_t before) {
  if (size <= before * Normalizer::kGrowth + Normalizer::kSlack) return;
  fail(Code::kUnsupported, "[tokenizer normalizer] makes {} bytes of a text of {}; more than {} times is not supported",
       size, before, Normalizer::kGrowth);
}

}  // namespace

std::string replace_all(std::string_view text, const Replace& step) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  std::size_t start = 0;
  for (std::size_t at; (at = text.find(step.from, start)) != std::string_view::npos; start = at + step.from.size()) {
    out.append(text, start, at - start);
    out += step.to;
  }
  out.append(text, start);
  return out;
}

std::string Normalizer::apply(std::string_view text) const {
  std::string out(text);
  for (const Step& step : steps_) {
    if (const auto* prepend = std::get_if<Prepend>(&step)) {
      check_growth(out.size() + prepend->text.size(), text.size());
      if (!out.empty()) out.insert(0, prepend->text);
    } else if (const auto* replace = std::get_if<Replace>(&step)) {
      if (replace->to.size() > 4 * replace->from.size())  // others grow little, and what they grow is checked after
        check_growth(out.size() + occurrences(out, replace->from) * replace->to.size(), text.size());
      out = replace_all(out, *replace);
      check_growth(out.size(), text.size());
    }
  }
  return out;
}

}  // namespace ganglion::tokenizer
