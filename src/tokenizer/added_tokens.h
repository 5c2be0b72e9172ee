// Added tokens: those that are found in the raw text before it is split into words ("</s>", "<|endoftext|>"). Of
// several that fit at one place the longest counts, and the leftmost place comes first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ganglion::tokenizer {

struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = false;   // looked for in a second pass, in what the others left over
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
  explicit AddedTokens(const std::vector<AddedToken>& tokens);

  // The parts of `text` (well-formed UTF-8), in order. Plain parts are never empty. They point into `text`.
  // Thread-safe.
  std::vector<TextPart> split(std::string_view text) const;

 private:
  // One pass over the text, for the tokens of one value of `normalized`.
  class Pass {
   public:
    void add(const AddedToken& token) { tokens_.push_back(token); }
    void finish();
    void split(std::string_view text, std::vector<TextPart>& parts) const;

   private:
    const AddedToken* longest_at(std::string_view text, std::size_t position) const noexcept;

    std::vector<AddedToken> tokens_;             // sorted by content
    std::array<std::uint32_t, 257> by_first_{};  // tokens whose first byte is b: [by_first_[b], by_first_[b + 1])
  };

  Pass verbatim_;
  Pass normalized_;
};

}  // namespace ganglion::tokenizer
