#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "base/error.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {
namespace {

bool is_space_at(std::string_view text, std::size_t position) noexcept {
  return char_class(read_utf8(text, position).code) == CharClass::kSpace;
}

// The start of the white space that ends at `position`, but not before `limit`.
std::size_t space_before(std::string_view text, std::size_t position, std::size_t limit) noexcept {
  while (position > limit) {
    const std::size_t previous = previous_utf8(text, position);
    if (!is_space_at(text, previous)) break;
    position = previous;
  }
  return position;
}

bool touches_word(std::string_view text, std::size_t start, std::size_t end) noexcept {
  if (start > 0 && is_word_character(read_utf8(text, previous_utf8(text, start)).code)) return true;
  return end < text.size() && is_word_character(read_utf8(text, end).code);
}

}  // namespace

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens, const Normalizer& normalizer) {
  for (AddedToken token : tokens) {
    if (token.normalized) token.content = normalizer.apply(token.content);
    if (token.content.empty()) continue;
    if (token.content.size() > kMaxContent) {
      fail(Code::kUnsupported, "[added_tokens] token {} has {} bytes; at most {} are supported", token.id,
           token.content.size(), kMaxContent);
    }
    Pass& pass = token.normalized ? normalized_ : verbatim_;
    pass.add(std::move(token));
  }
  verbatim_.finish();
  normalized_.finish();
}

std::vector<TextPart> AddedTokens::split(const Pass& pass, std::string_view text) {
  std::vector<TextPart> parts;
  pass.split(text, parts);
  return parts;
}

void AddedTokens::Pass::finish() {
  // string's order is that of unsigned bytes, which longest_at narrows by.
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken& left, const AddedToken& right) { return left.content < right.content; });
  for (const AddedToken& token : tokens_) ++by_first_[static_cast<unsigned char>(token.content[0]) + 1u];
  for (std::size_t byte = 0; byte < 256; ++byte) by_first_[byte + 1] += by_first_[byte];
}

const AddedToken* AddedTokens::Pass::longest_at(std::string_view text, std::size_t position) const noexcept {
  const unsigned char first = static_cast<unsigned char>(text[position]);
  auto low = tokens_.begin() + by_first_[first];
  auto high = tokens_.begin() + by_first_[first + 1u];
  const AddedToken* longest = nullptr;
  // All tokens in [low, high) agree with the text in their first `depth` bytes, so one that ends there stands first.
  for (std::size_t depth = 1; low != high; ++depth) {
    if (low->content.size() == depth) {
      longest = &*low;
      ++low;
    }
    if (position + depth == text.size()) break;
    const unsigned char wanted = static_cast<unsigned char>(text[position + depth]);
    const auto byte_of = [depth](const AddedToken& token) { return static_cast<unsigned char>(token.content[depth]); };
    low = std::partition_point(low, high, [&](const AddedToken& token) { return byte_of(token) < wanted; });
    high = std::partition_point(low, high, [&](const AddedToken& token) { return byte_of(token) == wanted; });
  }
  return longest;
}

void AddedTokens::Pass::split(std::string_view text, std::vector<TextPart>& parts) const {
  if (tokens_.empty()) {
    if (!text.empty()) parts.push_back({text, std::nullopt});
    return;
  }
  std::size_t done = 0;  // everything before is in a part
  std::size_t space_end =
      0;  // the end of the last white space measured: a run is walked once, however many tokens it has
  const auto space_after = [&](std::size_t position) {
    if (position >= space_end) {
      space_end = position;
      while (space_end < text.size() && is_space_at(text, space_end)) space_end += read_utf8(text, space_end).length;
    }
    return space_end;
  };

  // The search goes on after a match's content, also when the match was refused or took white space beyond it.
  for (std::size_t position = 0; position < text.size();) {
    const AddedToken* token = longest_at(text, position);
    if (token == nullptr) {
      ++position;
      continue;
    }
    std::size_t start = position;
    std::size_t end = position + token->content.size();
    position = end;
    if (token->single_word && touches_word(text, start, end)) continue;
    if (token->lstrip) start = std::max(space_before(text, start, std::min(done, start)), done);
    if (token->rstrip) end = space_after(end);
    if (done < start) parts.push_back({text.substr(done, start - done), std::nullopt});
    parts.push_back({text.substr(start, end > start ? end - start : 0), token->id});
    done = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done), std::nullopt});
}

}  // namespace ganglion::tokenizer
