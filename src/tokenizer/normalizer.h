// What is done to a text, between the added tokens that are looked for verbatim, before it is cut into words: the
// Prepend and Replace steps with which Llama 2 writes spaces as "▁".
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ganglion::tokenizer {

// Puts `text` before a text that is not empty.
struct Prepend {
  std::string text;
};

// Replaces every occurrence of `from` (not empty), from left to right.
struct Replace {
  std::string from;
  std::string to;
};

// `text` with the replacement made.
std::string replace_all(std::string_view text, const Replace& step);

class Normalizer {
 public:
  using Step = std::variant<Prepend, Replace>;
  // A text may become at most this many times as long, and kSlack bytes more, so that steps that feed each other do not
  // fill the memory.
  static constexpr std::size_t kGrowth = 16;
  static constexpr std::size_t kSlack = 4096;

  Normalizer() = default;
  explicit Normalizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  bool empty() const noexcept { return steps_.empty(); }
  const std::vector<Step>& steps() const noexcept { return steps_; }
  // The normalized text. Thread-safe. Errors: kUnsupported when it grows beyond the limit.
  std::string apply(std::string_view text) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace ganglion::tokenizer
