#include "tokenizer/pre_tokenizer.h"

#include <algorithm>

#include "tokenizer/normalizer.h"

namespace ganglion::tokenizer {
namespace {

// Joins each delimiter to the span before it; of delimiters in a row only the first.
void merge_with_previous(std::vector<Span>& spans) {
  std::vector<Span> out;
  bool after_match = false;
  for (const Span& span : spans) {
    if (span.matched && !after_match && !out.empty()) {
      out.back().end = span.end;
    } else {
      out.push_back(span);
    }
    after_match = span.matched;
  }
  spans = std::move(out);
}

void merge_with_next(std::vector<Span>& spans) {
  std::vector<Span> out;
  bool before_match = false;
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    if (span->matched && !before_match && !out.empty()) {
      out.back().start = span->start;
    } else {
      out.push_back(*span);
    }
    before_match = span->matched;
  }
  std::reverse(out.begin(), out.end());
  spans = std::move(out);
}

void join_equals(std::vector<Span>& spans) {
  std::vector<Span> out;
  for (const Span& span : spans) {
    if (!out.empty() && out.back().matched == span.matched) {
      out.back().end = span.end;
    } else {
      out.push_back(span);
    }
  }
  spans = std::move(out);
}

void apply_behavior(SplitBehavior behavior, std::vector<Span>& spans) {
  switch (behavior) {
    case SplitBehavior::kIsolated:
      break;
    case SplitBehavior::kRemoved:
      std::erase_if(spans, [](const Span& span) { return span.matched; });
      break;
    case SplitBehavior::kMergedWithPrevious:
      merge_with_previous(spans);
      break;
    case SplitBehavior::kMergedWithNext:
      merge_with_next(spans);
      break;
    case SplitBehavior::kContiguous:
      join_equals(spans);
      break;
  }
}

std::string_view apply_metaspace(const Metaspace& step, std::string_view piece, bool at_start, std::string& text,
                                 std::vector<Span>& spans) {
  text = replace_all(piece, {" ", step.replacement});
  const bool wanted =
      step.prepend == Metaspace::Prepend::kAlways || (step.prepend == Metaspace::Prepend::kFirst && at_start);
  if (wanted && !text.starts_with(step.replacement)) text.insert(0, step.replacement);
  if (step.split) {
    Pattern::literal(step.replacement).find(text, spans);
    merge_with_next(spans);
  } else {
    spans.push_back({0, text.size(), false});
  }
  return text;
}

}  // namespace

std::string_view PreTokenizer::apply(const Step& step, std::string_view piece, bool at_start, std::string& text,
                                     std::vector<Span>& spans) {
  if (const auto* by_pattern = std::get_if<Split>(&step)) {
    by_pattern->pattern.find(piece, spans);
    if (by_pattern->invert) {
      for (Span& span : spans) span.matched = !span.matched;
    }
    apply_behavior(by_pattern->behavior, spans);
    return piece;
  }
  if (const auto* metaspace = std::get_if<Metaspace>(&step))
    return apply_metaspace(*metaspace, piece, at_start, text, spans);
  if (piece.front() != ' ') {
    text = " ";
    text += piece;
    piece = text;
  }
  spans.push_back({0, piece.size(), false});
  return piece;
}

}  // namespace ganglion::tokenizer
