// tokenizer.json, the format of Hugging Face's tokenizers, for byte-level BPE. A part that we do not have is refused by
// name. "truncation" and "padding" are defaults for batches, which transformers' AutoTokenizer ignores too.
#include <utility>

#include "base/error.h"
#include "tokenizer/json_text.h"
#include "tokenizer/tokenizer_parts.h"

namespace ganglion::tokenizer {
namespace {

constexpr std::string_view kFile = "tokenizer.json";

[[noreturn]] void refuse(std::string_view what, std::string_view kind, std::string_view supported) {
  fail(Code::kUnsupported, "[{}] {} '{}' is not supported; supported: {}", kFile, what, kind, supported);
}

// The elements of a "Sequence" (a list under `list`), or the one value itself.
std::vector<const Json*> flatten(const Json& value, const char* list, const std::string& place) {
  if (type_of(value, place) != "Sequence") return {&value};
  const Json* members = find_member(value, list);
  if (members == nullptr || !members->is_array()) {
    fail(Code::kDataCorrupt, "[{}] a Sequence must have a list \"{}\"", place, list);
  }
  std::vector<const Json*> flat;
  for (const Json& member : *members) {
    for (const Json* part : flatten(member, list, place)) flat.push_back(part);
  }
  return flat;
}

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

void read_model(const Json& model, TokenizerParts& parts) {
  const std::string place = fmt::format("{} model", kFile);
  if (!model.is_object()) fail_type(model, "an object", place);
  const std::string type = string_member(model, "type", place).value_or("BPE");  // files before 0.6 name no type
  if (type != "BPE") refuse("model", type, "BPE");

  if (const Json* dropout = find_member(model, "dropout"); dropout != nullptr && *dropout != 0) {
    refuse("model.dropout", dropout->dump(), "null (dropout is for training)");
  }
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const std::string value = string_member(model, affix, place).value_or("");
    if (!value.empty()) refuse(fmt::format("model.{}", affix), value, "null or empty");
  }
  if (bool_member(model, "byte_fallback", false, place)) refuse("model.byte_fallback", "true", "false");

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

void read_normalizer(const Json& normalizer) {
  for (const Json* part : flatten(normalizer, "normalizers", fmt::format("{} normalizer", kFile))) {
    refuse("normalizer", type_of(*part, fmt::format("{} normalizer", kFile)), "null");
  }
}

void read_pre_tokenizer(const Json* pre_tokenizer, TokenizerParts& parts) {
  const std::string place = fmt::format("{} pre_tokenizer", kFile);
  if (pre_tokenizer == nullptr) refuse("pre_tokenizer", "null", "ByteLevel");
  const std::vector<const Json*> flat = flatten(*pre_tokenizer, "pretokenizers", place);
  for (const Json* part : flat) {
    const std::string type = type_of(*part, place);
    if (type != "ByteLevel") refuse("pre_tokenizer", type, "ByteLevel");
  }
  // A second one would map bytes that are mapped already.
  if (flat.size() != 1) refuse("pre_tokenizer", fmt::format("Sequence of {}", flat.size()), "one ByteLevel");
  parts.add_prefix_space = bool_member(*flat[0], "add_prefix_space", true, place);
  parts.split_words = bool_member(*flat[0], "use_regex", true, place);
}

void read_decoder(const Json* decoder) {
  const std::string place = fmt::format("{} decoder", kFile);
  if (decoder == nullptr) refuse("decoder", "null", "ByteLevel");
  const std::vector<const Json*> flat = flatten(*decoder, "decoders", place);
  for (const Json* part : flat) {
    const std::string type = type_of(*part, place);
    if (type != "ByteLevel") refuse("decoder", type, "ByteLevel");
  }
  if (flat.size() != 1) refuse("decoder", fmt::format("Sequence of {}", flat.size()), "one ByteLevel");
}

// The ids that a template's special token stands for.
void append_special(const Json& post_processor, const std::string& name, const TokenizerParts& parts,
                    const std::string& place, std::vector<std::int32_t>& out) {
  const Json* specials = find_member(post_processor, "special_tokens");
  const Json* special = specials != nullptr && specials->is_object() ? find_member(*specials, name.c_str()) : nullptr;
  const Json* ids = special != nullptr && special->is_object() ? find_member(*special, "ids") : nullptr;
  if (ids == nullptr || !ids->is_array()) {
    fail(Code::kDataCorrupt, "[{}.special_tokens] has no list of ids for '{}'", place, name);
  }
  for (const Json& value : *ids) {
    const std::int64_t id = integer(value, place);
    if (id < 0 || id >= kTokenIdLimit || parts.vocabulary.text(static_cast<std::int32_t>(id)) == nullptr) {
      fail(Code::kDataCorrupt, "[{}.special_tokens] '{}' has the id {}, which no token has", place, name, id);
    }
    out.push_back(static_cast<std::int32_t>(id));
  }
}

void read_template(const Json& post_processor, TokenizerParts& parts) {
  const std::string place = fmt::format("{} post_processor", kFile);
  const Json* single = find_member(post_processor, "single");
  if (single == nullptr || !single->is_array()) {
    if (single != nullptr && single->is_string()) refuse("template", single->get<std::string>(), "a list of pieces");
    fail(Code::kDataCorrupt, "[{}.single] must be a list", place);
  }
  std::vector<std::int32_t> before;
  std::vector<std::int32_t> after;
  bool seen_text = false;
  for (const Json& piece : *single) {
    const Json* special = piece.is_object() ? find_member(piece, "SpecialToken") : nullptr;
    const Json* sequence = piece.is_object() ? find_member(piece, "Sequence") : nullptr;
    const Json* body = special != nullptr ? special : sequence;
    if (body == nullptr || !body->is_object()) {
      fail(Code::kDataCorrupt, "[{}.single] a piece must be a SpecialToken or a Sequence", place);
    }
    const std::string id = string_member(*body, "id", place).value_or("");
    if (special != nullptr) {
      append_special(post_processor, id, parts, place, seen_text ? after : before);
    } else if (id != "A" || seen_text) {
      refuse("template piece", fmt::format("Sequence {}", id), "the text once, as A");
    } else {
      seen_text = true;
    }
  }
  if (!seen_text) refuse("template", "without the text", "the text once, as A");
  parts.before.insert(parts.before.begin(), before.begin(), before.end());
  parts.after.insert(parts.after.end(), after.begin(), after.end());
}

void read_post_processor(const Json& post_processor, TokenizerParts& parts) {
  const std::string place = fmt::format("{} post_processor", kFile);
  for (const Json* part : flatten(post_processor, "processors", place)) {
    const std::string type = type_of(*part, place);
    if (type == "TemplateProcessing") {
      read_template(*part, parts);
    } else if (type != "ByteLevel") {  // ByteLevel moves offsets, which we do not report
      refuse("post_processor", type, "TemplateProcessing, ByteLevel or a Sequence of them");
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
  read_model(*model, parts);
  if (const Json* normalizer = find_member(root, "normalizer")) read_normalizer(*normalizer);
  read_pre_tokenizer(find_member(root, "pre_tokenizer"), parts);
  read_decoder(find_member(root, "decoder"));
  if (const Json* added = find_member(root, "added_tokens")) read_added_tokens(*added, parts);
  if (const Json* post_processor = find_member(root, "post_processor")) read_post_processor(*post_processor, parts);
  return parts;
}

}  // namespace ganglion::tokenizer
