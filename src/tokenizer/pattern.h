// A regular expression that a tokenizer cuts text by. The patterns of the known families are matched by hand
// (gpt2_split.h, llama3_split.h); any other by PCRE2, after a check that it means there what it means in Oniguruma, the
// engine of Hugging Face's tokenizers. See decisions/tokenizer-patterns.md.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ganglion::tokenizer {

// A part of a text: something the pattern matched, or what lies between two matches.
struct Span {
  std::size_t start;
  std::size_t end;
  bool matched;
};

class Pattern {
 public:
  // The end of the word that begins at a position, for patterns whose matches cover every text.
  using WordEnd = std::size_t (*)(std::string_view text, std::size_t start) noexcept;

  // GPT-2's, which is what ByteLevel cuts by.
  static Pattern gpt2();
  // `place` is for messages. Errors: kDataCorrupt for what is no regular expression, kUnsupported for one that uses
  // syntax we do not have or that can match nothing at all, with the pattern.
  static Pattern compile(const std::string& expression, std::string_view place);
  // A pattern that is to be found as it is.
  static Pattern literal(std::string text);

  // nullptr unless the matches cover every text and find no other way.
  WordEnd word_end() const noexcept { return word_end_; }
  // The spans of a text (well-formed UTF-8), in order, covering it. Thread-safe. Errors: kResourceExhausted when the
  // pattern takes too long on this text (backtracking).
  void find(std::string_view text, std::vector<Span>& spans) const;

 private:
  Pattern() = default;
  void find_expression(std::string_view text, std::vector<Span>& spans) const;

  WordEnd word_end_ = nullptr;
  std::string literal_;
  std::shared_ptr<const void> code_;  // of PCRE2; immutable, so copies of the pattern may share it
};

}  // namespace ganglion::tokenizer
