// The small files beside a tokenizer: added_tokens.json, special_tokens_map.json, tokenizer_config.json. They are
// applied in the order and with the precedence of transformers 4.40 (PreTrainedTokenizerFast, GPT2TokenizerFast,
// LlamaTokenizerFast).
#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "tokenizer/json_text.h"
#include "tokenizer/tokenizer_parts.h"

namespace ganglion::tokenizer {
namespace {

constexpr const char* kConfigFile = "tokenizer_config.json";
constexpr const char* kMapFile = "special_tokens_map.json";
constexpr const char* kAddedFile = "added_tokens.json";
constexpr std::array kNamed = {"bos_token", "eos_token", "unk_token", "sep_token",
                               "pad_token", "cls_token", "mask_token"};

// A special token as a configuration gives it: only its text, or an object with flags.
struct Special {
  AddedToken token;
  bool has_flags = false;
};

struct Specials {
  std::map<std::string, Special> named;  // by kNamed
  std::vector<Special> additional;
  std::set<std::string, std::less<>> additional_contents;
  // Declared null: no default applies.
  std::vector<std::string> absent;

  bool contains(std::string_view content) const {
    return additional_contents.count(content) > 0 || std::any_of(named.begin(), named.end(), [&](const auto& entry) {
             return entry.second.token.content == content;
           });
  }
};

AddedToken read_flags(const Json& object, const std::string& place) {
  const std::optional<std::string> content = string_member(object, "content", place);
  if (!content) fail(Code::kDataCorrupt, "[{}] an added token needs a \"content\"", place);
  AddedToken token;
  token.content = *content;
  token.single_word = bool_member(object, "single_word", false, place);
  token.lstrip = bool_member(object, "lstrip", false, place);
  token.rstrip = bool_member(object, "rstrip", false, place);
  token.special = bool_member(object, "special", false, place);
  token.normalized = bool_member(object, "normalized", !token.special, place);
  return token;
}

Special read_special(const Json& value, const std::string& place) {
  if (value.is_object()) return {read_flags(value, place), true};
  if (!value.is_string()) fail_type(value, "a string or an object", place);
  Special special;
  special.token.content = value.get<std::string>();
  return special;
}

void read_specials(const Json& object, const char* file, Specials& specials) {
  for (const char* name : kNamed) {
    const std::string place = fmt::format("{} {}", file, name);
    if (const Json* value = find_member(object, name)) {
      specials.named[name] = read_special(*value, place);
    } else if (object.contains(name)) {
      specials.named.erase(name);
      specials.absent.push_back(name);
    }
  }
  if (const Json* list = find_member(object, "additional_special_tokens")) {
    const std::string place = fmt::format("{} additional_special_tokens", file);
    if (!list->is_array()) fail_type(*list, "a list", place);
    for (const Json& value : *list) {
      Special special = read_special(value, place);
      if (!specials.additional_contents.insert(special.token.content).second) continue;
      specials.additional.push_back(std::move(special));
    }
  }
}

struct Declared {
  AddedToken token;
  std::string place;
};

// added_tokens_decoder of tokenizer_config.json: id -> token. It replaces the two older files.
std::map<std::int64_t, Declared> read_decoder_table(const Json& table) {
  const std::string name = fmt::format("{} added_tokens_decoder", kConfigFile);
  if (!table.is_object()) fail_type(table, "an object", name);
  std::map<std::int64_t, Declared> declared;
  for (const auto& [key, value] : table.items()) {
    const std::string place = fmt::format("{}.{}", name, key);
    if (key.empty() || key.size() > 10 || key.find_first_not_of("0123456789") != std::string::npos) {
      fail(Code::kDataCorrupt, "[{}] the key must be a token id", place);
    }
    if (!value.is_object()) fail_type(value, "an object", place);
    declared[std::stoll(key)] = {read_flags(value, place), place};
  }
  return declared;
}

// added_tokens.json: token -> id.
std::map<std::int64_t, Declared> read_added_file(std::string_view text, const Specials& specials) {
  std::map<std::int64_t, Declared> declared;
  const Json root = parse_json_object(text, kAddedFile);
  for (const auto& [content, value] : root.items()) {
    const std::int64_t id = integer(value, kAddedFile);
    AddedToken token;
    token.content = content;
    token.special = specials.contains(content);
    token.normalized = !token.special;
    if (!declared.try_emplace(id, Declared{std::move(token), kAddedFile}).second) {
      fail(Code::kDataCorrupt, "[{}] the id {} is given twice", kAddedFile, id);
    }
  }
  return declared;
}

enum class TokenizerClass { kUnnamed, kGpt2, kLlama, kGeneric };

TokenizerClass read_class(const Json& config) {
  const std::optional<std::string> name = string_member(config, "tokenizer_class", kConfigFile);
  if (!name) return TokenizerClass::kUnnamed;
  if (*name == "GPT2Tokenizer" || *name == "GPT2TokenizerFast") return TokenizerClass::kGpt2;
  if (*name == "LlamaTokenizer" || *name == "LlamaTokenizerFast") return TokenizerClass::kLlama;
  if (*name == "PreTrainedTokenizerFast" || *name == "TokenizersBackend") return TokenizerClass::kGeneric;
  fail(Code::kUnsupported,
       "[{} tokenizer_class] '{}' is not supported; supported: GPT2Tokenizer, GPT2TokenizerFast, LlamaTokenizer, "
       "LlamaTokenizerFast, PreTrainedTokenizerFast",
       kConfigFile, *name);
}

struct AddSpecialOptions {
  bool normalized_by_default;
};

// A special token given as text only never changes an added token; one with flags does.
void add_special(const Special& special, AddSpecialOptions options, TokenizerParts& parts) {
  if (!special.has_flags && parts.find_added(special.token.content) != nullptr) return;
  AddedToken token = special.token;
  token.special = true;
  if (!special.has_flags) token.normalized = options.normalized_by_default;
  parts.add(std::move(token), std::nullopt, kConfigFile);
}

struct AddSpecialsOptions {
  bool gpt2_from_vocabulary;  // no tokenizer.json: the special tokens are GPT2Tokenizer's
};

// Adds the special tokens; the named ones among `fixed` keep the flags they were declared with.
void add_specials(const Specials& specials, const std::set<std::string, std::less<>>& fixed, AddSpecialsOptions options,
                  TokenizerParts& parts) {
  // Of special tokens with the same content the first counts, in this order.
  std::set<std::string, std::less<>> seen;
  for (const char* name : kNamed) {
    const auto found = specials.named.find(name);
    if (found == specials.named.end()) continue;
    const std::string& content = found->second.token.content;
    if (!seen.insert(content).second || fixed.count(content) > 0) continue;
    // GPT2Tokenizer turns its four named tokens into added tokens of the default flags.
    const std::string_view title = name;
    const bool gpt2_token =
        title == "bos_token" || title == "eos_token" || title == "unk_token" || title == "pad_token";
    add_special(found->second, {.normalized_by_default = options.gpt2_from_vocabulary && gpt2_token}, parts);
  }
  for (const Special& special : specials.additional) {
    if (seen.count(special.token.content) > 0) continue;
    add_special(special, {.normalized_by_default = false}, parts);
  }
}

// The tokens that a class has when the files name none.
void use_defaults(TokenizerClass kind, Specials& specials) {
  struct Default {
    const char* name;
    const char* content;
  };
  constexpr Default kGpt2[] = {
      {"bos_token", "<|endoftext|>"}, {"eos_token", "<|endoftext|>"}, {"unk_token", "<|endoftext|>"}};
  constexpr Default kLlama[] = {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}};
  if (kind != TokenizerClass::kGpt2 && kind != TokenizerClass::kLlama) return;
  for (const auto& [name, content] : kind == TokenizerClass::kGpt2 ? kGpt2 : kLlama) {
    if (std::find(specials.absent.begin(), specials.absent.end(), name) != specials.absent.end()) continue;
    Special fallback;
    fallback.token.content = content;
    specials.named.try_emplace(name, std::move(fallback));
  }
}

// Which class reads the files: the one that is named, or the one that they are of.
TokenizerClass decide_class(const Json& config, const TokenizerFiles& files) {
  const TokenizerClass kind = read_class(config);
  if (files.tokenizer_json) return kind;
  const bool sentencepiece = files.tokenizer_model.has_value();
  const TokenizerClass own = sentencepiece ? TokenizerClass::kLlama : TokenizerClass::kGpt2;
  if (kind != TokenizerClass::kUnnamed && kind != own) {
    fail(Code::kUnsupported, "[{} tokenizer_class] {} needs a tokenizer.json, which is not there", kConfigFile,
         string_member(config, "tokenizer_class", kConfigFile).value_or(""));
  }
  return own;
}

// Llama's classes convert tokenizer.model as these settings say; of a tokenizer.json the steps are as they are in it.
void apply_llama_steps(const Json& config, const TokenizerFiles& files, TokenizerParts& parts) {
  const Json* prefix = find_member(config, "add_prefix_space");
  const bool add_prefix_space = bool_member(config, "add_prefix_space", true, kConfigFile);
  if (files.tokenizer_model) {
    use_llama_steps({.legacy = bool_member(config, "legacy", true, kConfigFile), .add_prefix_space = add_prefix_space},
                    parts);
  } else if (prefix != nullptr && parts.puts_prefix_space() != add_prefix_space) {
    fail(Code::kUnsupported,
         "[{}] add_prefix_space is {}, which tokenizer.json contradicts; remove one of them, or add tokenizer.model",
         kConfigFile, add_prefix_space);
  }
}

// Llama's classes put these tokens around a text, whatever a tokenizer.json says.
void apply_llama_template(const Json& config, TokenizerParts& parts) {
  parts.before.clear();
  parts.after.clear();
  if (bool_member(config, "add_bos_token", true, kConfigFile)) {
    if (!parts.bos) fail(Code::kDataCorrupt, "[{}] add_bos_token is true but there is no bos_token", kConfigFile);
    parts.before.push_back(*parts.bos);
  }
  if (bool_member(config, "add_eos_token", false, kConfigFile)) {
    if (!parts.eos) fail(Code::kDataCorrupt, "[{}] add_eos_token is true but there is no eos_token", kConfigFile);
    parts.after.push_back(*parts.eos);
  }
}

}  // namespace

void apply_tokenizer_config(const TokenizerFiles& files, TokenizerParts& parts) {
  const bool from_json = files.tokenizer_json.has_value();
  Json config = Json::object();
  if (files.tokenizer_config_json) config = parse_json_object(*files.tokenizer_config_json, kConfigFile);
  const TokenizerClass kind = decide_class(config, files);
  const std::string errors = string_member(config, "errors", kConfigFile).value_or("replace");
  if (errors != "replace") {
    fail(Code::kUnsupported, "[{} errors] '{}' is not supported; supported: replace", kConfigFile, errors);
  }

  Specials specials;
  read_specials(config, kConfigFile, specials);
  std::map<std::int64_t, Declared> declared;
  const Json* table = find_member(config, "added_tokens_decoder");
  if (table != nullptr) {
    declared = read_decoder_table(*table);
  } else {
    if (files.special_tokens_map_json) {
      read_specials(parse_json_object(*files.special_tokens_map_json, kMapFile), kMapFile, specials);
    }
    if (files.added_tokens_json) declared = read_added_file(*files.added_tokens_json, specials);
  }
  use_defaults(kind, specials);
  if (kind == TokenizerClass::kLlama) apply_llama_steps(config, files, parts);
  if (kind == TokenizerClass::kGpt2) {
    // AutoTokenizer lets this setting win over tokenizer.json, also when it is absent and so false.
    if (parts.plain_byte_level) {
      const bool split_words = std::any_of(parts.pre_tokenizer.begin(), parts.pre_tokenizer.end(),
                                           [](const auto& step) { return std::holds_alternative<Split>(step); });
      parts.pre_tokenizer.clear();
      parts.use_byte_level(bool_member(config, "add_prefix_space", false, kConfigFile), split_words);
    }
  }

  // Tokens whose flags are declared: a named special token of the same content does not change them.
  std::set<std::string, std::less<>> fixed;
  if (table == nullptr) {
    for (AddedToken& token : parts.added) {
      token.special = token.special || specials.contains(token.content);
      fixed.insert(token.content);
    }
  }
  for (auto& [id, entry] : declared) {
    if (table != nullptr) fixed.insert(entry.token.content);
    entry.token.special = entry.token.special || specials.contains(entry.token.content);
    parts.add(std::move(entry.token), id, entry.place);
  }
  add_specials(specials, fixed, {.gpt2_from_vocabulary = !from_json && kind == TokenizerClass::kGpt2}, parts);

  const auto id_of = [&](const char* name) -> std::optional<std::int32_t> {
    const auto found = specials.named.find(name);
    if (found == specials.named.end()) return std::nullopt;
    return parts.vocabulary.find(found->second.token.content);
  };
  parts.bos = id_of("bos_token");
  parts.eos = id_of("eos_token");
  parts.pad = id_of("pad_token");
  parts.unk = id_of("unk_token");
  if (kind == TokenizerClass::kLlama) {
    apply_llama_template(config, parts);
    return;
  }
  // With a tokenizer.json its post-processor decides alone, as it does in AutoTokenizer.
  if (!from_json && bool_member(config, "add_bos_token", false, kConfigFile)) {
    if (!parts.bos) fail(Code::kDataCorrupt, "[{}] add_bos_token is true but there is no bos_token", kConfigFile);
    parts.before.push_back(*parts.bos);
  }
}

}  // namespace ganglion::tokenizer
