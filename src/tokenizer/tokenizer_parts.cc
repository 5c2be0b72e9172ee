#include "tokenizer/tokenizer_parts.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace ganglion::tokenizer {

void TokenizerParts::use_byte_level(bool add_prefix_space, bool split_words) {
  if (add_prefix_space) pre_tokenizer.emplace_back(PrefixSpace{});
  if (split_words) pre_tokenizer.emplace_back(Split{Pattern::gpt2()});
}

bool TokenizerParts::puts_prefix_space() const {
  const auto& normalizers = normalizer.steps();
  return std::any_of(normalizers.begin(), normalizers.end(),
                     [](const auto& step) { return std::holds_alternative<Prepend>(step); }) ||
         std::any_of(pre_tokenizer.begin(), pre_tokenizer.end(), [](const auto& step) {
           const auto* metaspace = std::get_if<Metaspace>(&step);
           return std::holds_alternative<PrefixSpace>(step) ||
                  (metaspace != nullptr && metaspace->prepend != Metaspace::Prepend::kNever);
         });
}

const AddedToken* TokenizerParts::find_added(std::string_view content) const {
  const std::optional<std::int32_t> id = vocabulary.find(content);
  if (!id) return nullptr;
  const auto found = added_by_id_.find(*id);
  return found == added_by_id_.end() ? nullptr : &added[found->second];
}

void TokenizerParts::add(AddedToken token, std::optional<std::int64_t> wanted_id, std::string_view place) {
  if (token.content.empty()) return;
  if (const std::optional<std::int32_t> known = vocabulary.find(token.content)) {
    if (wanted_id && *wanted_id != *known) {
      fail(Code::kDataCorrupt, "[{}] added token '{}' has the id {} here but {} in the vocabulary; make them equal",
           place, token.content, *wanted_id, *known);
    }
    token.id = *known;
  } else {
    // The next id after all others, as Hugging Face's tokenizers counts it.
    const std::int64_t id = wanted_id.value_or(std::max(added_end_, static_cast<std::int64_t>(vocabulary.size())));
    vocabulary.add(token.content, id, place, TokenOrigin::kAdded);
    token.id = static_cast<std::int32_t>(id);
  }
  added_end_ = std::max<std::int64_t>(added_end_, token.id + std::int64_t{1});

  const auto [entry, inserted] = added_by_id_.try_emplace(token.id, added.size());
  if (inserted) {
    added.push_back(std::move(token));
    return;
  }
  // Hugging Face's library keeps looking for the old entry too, so it matters which of its two passes comes first.
  AddedToken& old = added[entry->second];
  token.normalized = old.normalized && (old.special || token.normalized);
  token.special = token.special || old.special;
  old = std::move(token);
}

MergeRule make_merge_rule(const Vocabulary& vocabulary, std::string_view left, std::string_view right,
                          std::string_view file, std::size_t rank) {
  const auto id_of = [&](const std::string& token) {
    const std::optional<std::int32_t> id = vocabulary.find(token);
    if (!id) {
      fail(Code::kDataCorrupt, "[{}] merge {} ('{}' and '{}') needs the token '{}', which the vocabulary lacks", file,
           rank, left, right, token);
    }
    return *id;
  };
  return {id_of(std::string(left)), id_of(std::string(right)), id_of(std::string(left) + std::string(right))};
}

}  // namespace ganglion::tokenizer
