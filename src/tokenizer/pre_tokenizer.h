// How a part of a text is cut into the words that the model then encodes one by one: steps, each applied to every piece
// that the one before it made.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tokenizer/pattern.h"

namespace ganglion::tokenizer {

// A space before a piece that does not begin with one (ByteLevel's add_prefix_space).
struct PrefixSpace {};

// What becomes of the pieces that a pattern matches, the delimiters; names as in tokenizer.json.
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct Split {
  Pattern pattern;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // what lies between the matches is the delimiter
};

// Spaces are written as `replacement`, and one is put before the text.
struct Metaspace {
  enum class Prepend { kAlways, kFirst, kNever };  // kFirst: only at the very start of the text
  std::string replacement;                         // one character
  Prepend prepend = Prepend::kAlways;
  bool split = true;  // a word begins at every replacement
};

class PreTokenizer {
 public:
  using Step = std::variant<PrefixSpace, Split, Metaspace>;
  static constexpr std::size_t kMaxSteps = 16;

  PreTokenizer() = default;
  explicit PreTokenizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  const std::vector<Step>& steps() const noexcept { return steps_; }

  // Calls word(std::string_view) for every word of a part (well-formed UTF-8), in order; words are never empty and are
  // valid during the call only. `at_start`: the part begins the text. Thread-safe. Errors: those of Pattern::find.
  template <typename Word>
  void split(std::string_view part, bool at_start, const Word& word) const {
    run(0, part, at_start, word);
  }

 private:
  template <typename Word>
  void run(std::size_t index, std::string_view piece, bool at_start, const Word& word) const {
    if (piece.empty()) return;
    if (index == steps_.size()) return word(piece);
    if (const auto* by_pattern = std::get_if<Split>(&steps_[index])) {
      if (const Pattern::WordEnd word_end = by_pattern->pattern.word_end();
          word_end != nullptr && by_pattern->behavior == SplitBehavior::kIsolated) {
        const bool last = index + 1 == steps_.size();
        for (std::size_t start = 0; start < piece.size();) {
          const std::size_t end = word_end(piece, start);
          const std::string_view one = piece.substr(start, end - start);
          last ? word(one) : run(index + 1, one, at_start && start == 0, word);
          start = end;
        }
        return;
      }
    }
    std::string text;  // keeps what the step makes of the piece
    std::vector<Span> spans;
    const std::string_view result = apply(steps_[index], piece, at_start, text, spans);
    for (const Span& span : spans)
      run(index + 1, result.substr(span.start, span.end - span.start), at_start && span.start == 0, word);
  }

  // The piece as the step rewrites it (kept in `text`, or the piece itself) and the spans of it to go on with.
  static std::string_view apply(const Step& step, std::string_view piece, bool at_start, std::string& text,
                                std::vector<Span>& spans);

  std::vector<Step> steps_;
};

}  // namespace ganglion::tokenizer
