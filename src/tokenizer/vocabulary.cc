#include "tokenizer/vocabulary.h"

#include <utility>

#include "base/error.h"

namespace ganglion::tokenizer {

void Vocabulary::add(std::string text, std::int64_t id, std::string_view place, TokenOrigin origin) {
  if (id < 0 || id >= kTokenIdLimit) {
    fail(Code::kDataCorrupt, "[{}] the id {} of token '{}' is outside 0 to {}", place, id, text, kTokenIdLimit - 1);
  }
  const auto index = static_cast<std::size_t>(id);
  if (index < texts_.size() && texts_[index] != nullptr) {
    fail(Code::kDataCorrupt, "[{}] the id {} belongs to both '{}' and '{}'; give each token its own", place, id,
         *texts_[index], text);
  }
  const auto [entry, inserted] = ids_.try_emplace(std::move(text), static_cast<std::int32_t>(id));
  if (!inserted) {
    fail(Code::kDataCorrupt, "[{}] token '{}' has two ids, {} and {}", place, entry->first, entry->second, id);
  }
  if (index >= texts_.size()) {
    texts_.resize(index + 1, nullptr);
    origins_.resize(index + 1, TokenOrigin::kAdded);
  }
  texts_[index] = &entry->first;
  origins_[index] = origin;
}

std::optional<std::int32_t> Vocabulary::find(std::string_view text) const {
  const auto found = ids_.find(text);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::int32_t> Vocabulary::find_in_model(std::string_view text) const {
  const std::optional<std::int32_t> id = find(text);
  return id && in_model(*id) ? id : std::nullopt;
}

bool Vocabulary::in_model(std::int32_t id) const noexcept {
  return id >= 0 && static_cast<std::size_t>(id) < origins_.size() &&
         origins_[static_cast<std::size_t>(id)] == TokenOrigin::kModel;
}

const std::string* Vocabulary::text(std::int32_t id) const noexcept {
  if (id < 0 || static_cast<std::size_t>(id) >= texts_.size()) return nullptr;
  return texts_[static_cast<std::size_t>(id)];
}

}  // namespace ganglion::tokenizer
