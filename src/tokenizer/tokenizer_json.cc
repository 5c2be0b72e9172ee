// tokenizer.json, the format of Hugging Face's tokenizers. A part that we do not have is refused by name. "truncation"
// and "padding" are defaults for batches, which transformers' AutoTokenizer ignores too.
#include <utility>

#include "base/error.h"
#include "tokenizer/json_text.h"
#include "tokenizer/tokenizer_json_steps.h"
#include "tokenizer/tokenizer_parts.h"

namespace ganglion::tokenizer {
namespace {

constexpr std::string_view kFile = "tokenizer.json";

void read_vocabulary(const Json& model, Vocabulary& vocabulary) {
  const Json* vocab = find_member(model, "vocab");
  if (vocab == nullptr || !vocab->is_object()) {
    fail(Code::kDataCorrupt, "[{} model.vocab] must be an object from token to id", kFile);
  }
  const std::string place = fmt::format("{} model.vocab", kFile);
  for (const auto& [token, id] : vocab->items()) vocabulary.add(token, integer(id, place), place);
}

// A rule is "left right" in older files and ["left", "right"] in newer ones.
std::pair<std::string_view, std::string_view> read_pair(const Json& rule, std::size_t rank) {
  if (rule.is_string()) {
    const std::string_view text = rule.get_ref<const std::string&>();
    const std::size_t space = text.find(' ');
    if (space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos) {
      return {text.substr(0, space), text.substr(space + 1)};
    }
  } else if (rule.is_array() && rule.size() == 2 && rule[0].is_string() && rule[1].is_string()) {
    return {rule[0].get_ref<const std::string&>(), rule[1].get_ref<const std::string&>()};
  }
  fail(Code::kDataCorrupt, "[{} model.merges] merge {} must be \"left right\" or [\"left\", \"right\"]", kFile, rank);
}

// A list of [piece, score]; a piece's id is its place.
void read_unigram(const Json& model, TokenizerParts& parts) {
  const std::string place = fmt::format("{} model", kFile);
  if (parts.bpe.alphabet == Alphabet::kBytes) refuse("model", "Unigram after ByteLevel", "BPE after ByteLevel");
  const Json* vocab = find_member(model, "vocab");
  if (vocab == nullptr || !vocab->is_array())
    fail(Code::kDataCorrupt, "[{}.vocab] must be a list of pieces and scores", place);
  UnigramOptions unigram;
  for (const Json& entry : *vocab) {
    const std::size_t id = unigram.scores.size();
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number())
      fail(Code::kDataCorrupt, "[{}.vocab[{}]] must be [\"piece\", score]", place, id);
    parts.vocabulary.add(entry[0].get<std::string>(), static_cast<std::int64_t>(id), place + ".vocab");
    unigram.scores.push_back(entry[1].get<double>());
  }
  const Json* unknown = find_member(model, "unk_id");
  if (unknown == nullptr) refuse("model.unk_id", "null", "the id of a piece");
  const std::int64_t id = integer(*unknown, place + ".unk_id");
  if (id < 0 || id >= static_cast<std::int64_t>(unigram.scores.size()))
    fail(Code::kDataCorrupt, "[{}.unk_id] is {}, which no piece has", place, id);
  unigram.unknown = static_cast<std::int32_t>(id);
  unigram.byte_fallback = bool_member(model, "byte_fallback", false, place);
  parts.unigram = std::move(unigram);
}

void read_model(const Json& model, TokenizerParts& parts) {
  const std::string place = fmt::format("{} model", kFile);
  if (!model.is_object()) fail_type(model, "an object", place);
  const std::string type = string_member(model, "type", place).value_or("BPE");  // files before 0.6 name no type
  if (type == "Unigram") return read_unigram(model, parts);
  if (type != "BPE") refuse("model", type, "BPE, Unigram");

  if (const Json* dropout = find_member(model, "dropout"); dropout != nullptr && *dropout != 0) {
    refuse("model.dropout", dropout->dump(), "null (dropout is for training)");
  }
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const std::string value = string_member(model, affix, place).value_or("");
    if (!value.empty()) refuse(fmt::format("model.{}", affix), value, "null or empty");
  }
  parts.bpe.byte_fallback = bool_member(model, "byte_fallback", false, place);
  if (parts.bpe.byte_fallback && parts.bpe.alphabet == Alphabet::kBytes)
    refuse("model.byte_fallback", "true", "false with a ByteLevel pre_tokenizer");

  read_vocabulary(model, parts.vocabulary);
  const Json* merges = find_member(model, "merges");
  if (merges == nullptr || !merges->is_array()) fail(Code::kDataCorrupt, "[{} model.merges] must be a list", kFile);
  parts.merges.reserve(merges->size());
  for (const Json& rule : *merges) {
    const std::size_t rank = parts.merges.size();
    const auto [left, right] = read_pair(rule, rank);
    parts.merges.push_back(make_merge_rule(parts.vocabulary, left, right, "tokenizer.json model.merges", rank));
  }

  parts.bpe.fuse_unknown = bool_member(model, "fuse_unk", false, place);
  parts.bpe.ignore_merges = bool_member(model, "ignore_merges", false, place);
  if (const std::optional<std::string> unknown = string_member(model, "unk_token", place)) {
    parts.bpe.unknown = parts.vocabulary.find(*unknown);
    if (!parts.bpe.unknown) {
      fail(Code::kDataCorrupt, "[{}.unk_token] '{}' is not in the vocabulary", place, *unknown);
    }
  }
}

void read_added_tokens(const Json& list, TokenizerParts& parts) {
  if (!list.is_array()) fail_type(list, "a list", fmt::format("{} added_tokens", kFile));
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string place = fmt::format("{} added_tokens[{}]", kFile, i);
    const Json& entry = list[i];
    if (!entry.is_object()) fail_type(entry, "an object", place);
    const std::optional<std::string> content = string_member(entry, "content", place);
    const Json* id = find_member(entry, "id");
    if (!content || id == nullptr) fail(Code::kDataCorrupt, "[{}] needs a \"content\" and an \"id\"", place);
    AddedToken token;
    token.content = *content;
    token.single_word = bool_member(entry, "single_word", false, place);
    token.lstrip = bool_member(entry, "lstrip", false, place);
    token.rstrip = bool_member(entry, "rstrip", false, place);
    token.special = bool_member(entry, "special", false, place);
    token.normalized = bool_member(entry, "normalized", !token.special, place);
    parts.add(std::move(token), integer(*id, place), place);
  }
}

}  // namespace

TokenizerParts read_tokenizer_json(std::string_view tokenizer_json) {
  const Json root = parse_json_object(tokenizer_json, kFile);
  const Json* model = find_member(root, "model");
  if (model == nullptr) fail(Code::kDataCorrupt, "[{}] has no \"model\"", kFile);
  TokenizerParts parts;
  read_normalizer(find_member(root, "normalizer"), parts);
  read_pre_tokenizer(find_member(root, "pre_tokenizer"), parts);
  read_model(*model, parts);
  read_decoder(find_member(root, "decoder"), parts);
  if (const Json* added = find_member(root, "added_tokens")) read_added_tokens(*added, parts);
  read_post_processor(find_member(root, "post_processor"), parts);
  return parts;
}

}  // namespace ganglion::tokenizer
