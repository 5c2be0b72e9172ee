// The tokens of a tokenizer, both ways: id to text and text to id. Ids need not be dense, but they are bounded, so that
// a hostile file of a few bytes cannot ask for gigabytes. Immutable once loaded; then every method is thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ganglion::tokenizer {

// Ids are below this: several times the largest vocabulary known.
inline constexpr std::int64_t kTokenIdLimit = 1 << 20;

// Where a token comes from. The model of a tokenizer makes only its own tokens out of text, never one that was added.
enum class TokenOrigin : std::uint8_t { kModel, kAdded };

class Vocabulary {
 public:
  Vocabulary() = default;
  Vocabulary(Vocabulary&&) = default;  // moving keeps texts_ valid, copying would not
  Vocabulary& operator=(Vocabulary&&) = default;

  // Adds a token. `place` names the file and the entry for messages. Errors: kDataCorrupt when the id is negative or
  // not below kTokenIdLimit, or when the id or the text is there already.
  void add(std::string text, std::int64_t id, std::string_view place, TokenOrigin origin = TokenOrigin::kModel);

  std::optional<std::int32_t> find(std::string_view text) const;
  // Of the model's tokens only.
  std::optional<std::int32_t> find_in_model(std::string_view text) const;
  // nullptr when no token has this id.
  const std::string* text(std::int32_t id) const noexcept;
  // Whether the id is that of a token of the model.
  bool in_model(std::int32_t id) const noexcept;
  // Number of tokens; less than id_end() when ids have gaps.
  std::size_t size() const noexcept { return ids_.size(); }
  // One past the largest id.
  std::int32_t id_end() const noexcept { return static_cast<std::int32_t>(texts_.size()); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };

  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
  std::vector<const std::string*> texts_;  // by id, into the keys of ids_, which never move
  std::vector<TokenOrigin> origins_;       // by id
};

}  // namespace ganglion::tokenizer
