#include "tokenizer/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "base/error.h"
#include "tokenizer/gpt2_split.h"
#include "tokenizer/llama3_split.h"
#include "tokenizer/pattern_syntax.h"

namespace ganglion::tokenizer {
namespace {

struct Known {
  std::string_view expression;
  Pattern::WordEnd word_end;
};

constexpr Known kKnown[] = {
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", gpt2_word_end},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     llama3_word_end},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     qwen2_word_end},
};

constexpr std::uint32_t kMatchLimit = 10'000'000;  // steps of backtracking at one place of a text
constexpr std::uint32_t kHeapLimit = 256 << 10;    // KiB

std::string pcre2_message(int error) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(error, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

void add_span(std::size_t start, std::size_t end, bool matched, std::vector<Span>& spans) {
  if (start < end) spans.push_back({start, end, matched});
}

}  // namespace

Pattern Pattern::gpt2() {
  Pattern pattern;
  pattern.word_end_ = gpt2_word_end;
  return pattern;
}

Pattern Pattern::literal(std::string text) {
  Pattern pattern;
  pattern.literal_ = std::move(text);
  return pattern;
}

Pattern Pattern::compile(const std::string& expression, std::string_view place) {
  for (const Known& known : kKnown) {
    if (expression != known.expression) continue;
    Pattern pattern;
    pattern.word_end_ = known.word_end;
    return pattern;
  }
  const std::string translated = to_pcre2(expression, place);
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE where = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &where, context.get());
  if (code == nullptr) {
    fail(Code::kDataCorrupt, "[{}] the pattern '{}' is no regular expression: {}", place, expression,
         pcre2_message(error));
  }
  Pattern pattern;
  pattern.code_ = std::shared_ptr<const void>(
      code, [](const void* owned) { pcre2_code_free(const_cast<pcre2_code*>(static_cast<const pcre2_code*>(owned))); });
  std::uint32_t may_be_empty = 0;
  pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &may_be_empty);
  if (may_be_empty != 0) {
    fail(Code::kUnsupported, "[{}] the pattern '{}' can match nothing at all, which is not supported", place,
         expression);
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it matching is slower, no more
  return pattern;
}

void Pattern::find(std::string_view text, std::vector<Span>& spans) const {
  if (word_end_ != nullptr) {
    for (std::size_t start = 0; start < text.size();) {
      const std::size_t end = word_end_(text, start);
      spans.push_back({start, end, true});
      start = end;
    }
    return;
  }
  if (code_ != nullptr) return find_expression(text, spans);
  std::size_t start = 0;
  for (std::size_t at; (at = text.find(literal_, start)) != std::string_view::npos; start = at + literal_.size()) {
    add_span(start, at, false, spans);
    spans.push_back({at, at + literal_.size(), true});
  }
  add_span(start, text.size(), false, spans);
}

void Pattern::find_expression(std::string_view text, std::vector<Span>& spans) const {
  const pcre2_code* code = static_cast<const pcre2_code*>(code_.get());
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(pcre2_match_data_create(1, nullptr),
                                                                                  pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  GANGLION_CHECK(match != nullptr && context != nullptr);
  pcre2_set_match_limit(context.get(), kMatchLimit);
  pcre2_set_heap_limit(context.get(), kHeapLimit);
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  std::size_t done = 0;
  while (done < text.size()) {
    int result = pcre2_match(code, subject, text.size(), done, PCRE2_NO_UTF_CHECK, match.get(), context.get());
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
      result =
          pcre2_match(code, subject, text.size(), done, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match.get(), context.get());
    if (result == PCRE2_ERROR_NOMATCH) break;
    if (result < 0) {
      fail(Code::kResourceExhausted, "[tokenizer pre_tokenizer] the pattern gives up at byte {} of a text of {}: {}",
           done, text.size(), pcre2_message(result));
    }
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match.get());
    add_span(done, bounds[0], false, spans);
    add_span(bounds[0], bounds[1], true, spans);
    done = bounds[1];
  }
  add_span(done, text.size(), false, spans);
}

}  // namespace ganglion::tokenizer
