// Added tokens: those that are found in the text before it is split into words ("</s>", "<|endoftext|>"), most of them
// in the raw text, some in what the normalizer makes of the rest. Of several that fit at one place the longest counts,
// and the leftmost place comes first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/normalizer.h"

namespace ganglion::tokenizer {

struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = false;   // looked for in a second pass, normalized itself in the normalized rest
  bool special = false;      // decode can leave it out
};

// A part of a text: an added token, or plain text to be split into words.
struct TextPart {
  std::string_view text;
  std::optional<std::int32_t> token;
};

class AddedTokens {
 public:
  // Errors: kUnsupported when a token's content is longer than kMaxContent bytes. Empty contents never match.
  static constexpr std::size_t kMaxContent = 1024;
  AddedTokens(const std::vector<AddedToken>& tokens, const Normalizer& normalizer);

  // The parts of `text` (well-formed UTF-8) between the tokens that are looked for verbatim, and these, in order.
  // Plain parts are never empty. They point into `text`. Thread-safe.
  std::vector<TextPart> split_verbatim(std::string_view text) const { return split(verbatim_, text); }
  // The same for a plain part, normalized, and the tokens that are looked for there.
  std::vector<TextPart> split_normalized(std::string_view text) const { return split(normalized_, text); }

 private:
  // One pass over the text, for the tokens of one value of `normalized`.
  class Pass {
   public:
    void add(AddedToken token) { tokens_.push_back(std::move(token)); }
    void finish();
    void split(std::string_view text, std::vector<TextPart>& parts) const;

   private:
    const AddedToken* longest_at(std::string_view text, std::size_t position) const noexcept;

    std::vector<AddedToken> tokens_;             // sorted by content
    std::array<std::uint32_t, 257> by_first_{};  // tokens whose first byte is b: [by_first_[b], by_first_[b + 1])
  };

  static std::vector<TextPart> split(const Pass& pass, std::string_view text);

  Pass verbatim_;
  Pass normalized_;
};

}  // namespace ganglion::tokenizer
