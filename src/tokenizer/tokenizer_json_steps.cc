#include "tokenizer/tokenizer_json_steps.h"

#include <utility>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {
namespace {

constexpr std::string_view kFile = "tokenizer.json";
constexpr std::size_t kMaxStepText = 256;  // bytes of what a step looks for or puts in

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

// A text of a step, bounded because every character of a text may become one.
std::string step_text(const Json& step, const char* name, const std::string& place) {
  std::optional<std::string> text = string_member(step, name, place);
  if (!text) fail(Code::kDataCorrupt, "[{}] needs a string \"{}\"", place, name);
  if (text->size() > kMaxStepText) {
    refuse(fmt::format("{}.{}", place, name), fmt::format("of {} bytes", text->size()),
           fmt::format("at most {}", kMaxStepText));
  }
  return *std::move(text);
}

// A "pattern" is {"String": text} or {"Regex": expression}.
struct PatternText {
  std::string text;
  bool is_regex;
};

PatternText read_pattern(const Json& step, const std::string& place) {
  const Json* pattern = find_member(step, "pattern");
  if (pattern != nullptr && pattern->is_object() && pattern->size() == 1) {
    for (const char* kind : {"String", "Regex"}) {
      if (const std::optional<std::string> text = string_member(*pattern, kind, place + ".pattern"))
        return {*text, std::string_view(kind) == "Regex"};
    }
  }
  fail(Code::kDataCorrupt, "[{}.pattern] must be an object with a \"String\" or a \"Regex\"", place);
}

Replace read_replace(const Json& step, const std::string& place) {
  const PatternText pattern = read_pattern(step, place);
  if (pattern.is_regex) refuse("Replace with the Regex", pattern.text, "a String");
  if (pattern.text.empty()) refuse("Replace of the String", "", "a String of at least one character");
  if (pattern.text.size() > kMaxStepText) {
    refuse("Replace of a String", fmt::format("of {} bytes", pattern.text.size()),
           fmt::format("at most {}", kMaxStepText));
  }
  return {pattern.text, step_text(step, "content", place)};
}

// A member that must be one character.
std::string read_character(const Json& step, const char* name, const std::string& place) {
  std::string text = step_text(step, name, place);
  if (text.empty() || read_utf8(text, 0).length != text.size())
    fail(Code::kDataCorrupt, "[{}.{}] is '{}'; it must be one character", place, name, text);
  return text;
}

Metaspace::Prepend read_prepend_scheme(const Json& step, const std::string& place) {
  const std::optional<std::string> scheme = string_member(step, "prepend_scheme", place);
  const bool add_prefix_space = bool_member(step, "add_prefix_space", true, place);
  if (!add_prefix_space && scheme && *scheme != "never") {
    fail(Code::kDataCorrupt, "[{}] add_prefix_space is false but prepend_scheme is '{}'; it must be 'never'", place,
         *scheme);
  }
  if (!add_prefix_space || scheme == "never") return Metaspace::Prepend::kNever;
  if (scheme == "first") return Metaspace::Prepend::kFirst;
  if (!scheme || scheme == "always") return Metaspace::Prepend::kAlways;
  fail(Code::kDataCorrupt, "[{}.prepend_scheme] is '{}'; it must be always, first or never", place, *scheme);
}

Metaspace read_metaspace(const Json& step, const std::string& place) {
  Metaspace metaspace;
  metaspace.replacement = read_character(step, "replacement", place);
  metaspace.prepend = read_prepend_scheme(step, place);
  metaspace.split = bool_member(step, "split", true, place);
  return metaspace;
}

Split read_split(const Json& step, const std::string& place) {
  const PatternText pattern = read_pattern(step, place);
  if (!pattern.is_regex && pattern.text.empty())
    refuse("Split by the String", "", "a String of at least one character");
  Split split{pattern.is_regex ? Pattern::compile(pattern.text, place + ".pattern") : Pattern::literal(pattern.text)};
  const std::string behavior = string_member(step, "behavior", place).value_or("");
  constexpr std::pair<std::string_view, SplitBehavior> kBehaviors[] = {
      {"Isolated", SplitBehavior::kIsolated},
      {"Removed", SplitBehavior::kRemoved},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous},
  };
  bool known = false;
  for (const auto& [name, value] : kBehaviors) {
    if (behavior != name) continue;
    split.behavior = value;
    known = true;
  }
  if (!known) fail(Code::kDataCorrupt, "[{}.behavior] '{}' is no behavior of a Split", place, behavior);
  split.invert = bool_member(step, "invert", false, place);
  return split;
}

void check_step_count(std::size_t count, std::string_view what) {
  if (count > PreTokenizer::kMaxSteps) {
    refuse(what, fmt::format("Sequence of {}", count), fmt::format("at most {} steps", PreTokenizer::kMaxSteps));
  }
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

}  // namespace

void refuse(std::string_view what, std::string_view kind, std::string_view supported) {
  fail(Code::kUnsupported, "[{}] {} '{}' is not supported; supported: {}", kFile, what, kind, supported);
}

void read_normalizer(const Json* normalizer, TokenizerParts& parts) {
  if (normalizer == nullptr) return;
  const std::string place = fmt::format("{} normalizer", kFile);
  std::vector<Normalizer::Step> steps;
  for (const Json* part : flatten(*normalizer, "normalizers", place)) {
    const std::string type = type_of(*part, place);
    if (type == "Prepend") {
      steps.emplace_back(Prepend{step_text(*part, "prepend", place)});
    } else if (type == "Replace") {
      steps.emplace_back(read_replace(*part, place));
    } else {
      refuse("normalizer", type, "Prepend, Replace or a Sequence of them");
    }
  }
  check_step_count(steps.size(), "normalizer");
  parts.normalizer = Normalizer(std::move(steps));
}

void read_pre_tokenizer(const Json* pre_tokenizer, TokenizerParts& parts) {
  parts.bpe.alphabet = Alphabet::kCharacters;
  if (pre_tokenizer == nullptr) return;
  const std::string place = fmt::format("{} pre_tokenizer", kFile);
  for (const Json* part : flatten(*pre_tokenizer, "pretokenizers", place)) {
    const std::string type = type_of(*part, place);
    // It turns bytes into other characters, which a step after it would have to know of.
    if (parts.bpe.alphabet == Alphabet::kBytes) refuse("pre_tokenizer", type + " after ByteLevel", "ByteLevel last");
    if (type == "ByteLevel") {
      parts.bpe.alphabet = Alphabet::kBytes;
      parts.use_byte_level(bool_member(*part, "add_prefix_space", true, place),
                           bool_member(*part, "use_regex", true, place));
    } else if (type == "Split") {
      parts.pre_tokenizer.emplace_back(read_split(*part, place));
    } else if (type == "Metaspace") {
      parts.pre_tokenizer.emplace_back(read_metaspace(*part, place));
    } else {
      refuse("pre_tokenizer", type, "ByteLevel, Split, Metaspace or a Sequence of them");
    }
  }
  check_step_count(parts.pre_tokenizer.size(), "pre_tokenizer");
  parts.plain_byte_level = type_of(*pre_tokenizer, place) == "ByteLevel";
}

void read_decoder(const Json* decoder, TokenizerParts& parts) {
  const std::string place = fmt::format("{} decoder", kFile);
  constexpr std::string_view kSupported =
      "ByteLevel, Metaspace, or a Sequence of Replace..., ByteFallback, Fuse, Strip, in this order";
  if (decoder == nullptr) refuse("decoder", "null", kSupported);
  const std::vector<const Json*> flat = flatten(*decoder, "decoders", place);
  parts.decoder.kind = Decoder::Kind::kCharacters;
  std::vector<Normalizer::Step> replacements;
  bool fused = false;
  bool stripped = false;
  for (const Json* part : flat) {
    const std::string type = type_of(*part, place);
    if (flat.size() == 1 && type == "ByteLevel") {
      parts.decoder.kind = Decoder::Kind::kBytes;
    } else if (flat.size() == 1 && type == "Metaspace") {
      const std::string replacement = read_character(*part, "replacement", place);
      replacements.emplace_back(Replace{replacement, " "});
      if (read_prepend_scheme(*part, place) != Metaspace::Prepend::kNever) parts.decoder.drop_from_first = replacement;
    } else if (type == "Replace" && !parts.decoder.byte_fallback && !fused) {
      replacements.emplace_back(read_replace(*part, place));
    } else if (type == "ByteFallback" && !parts.decoder.byte_fallback && !fused) {
      parts.decoder.byte_fallback = true;
    } else if (type == "Fuse") {
      fused = true;
    } else if (type == "Strip" && fused && !stripped) {
      stripped = true;
      parts.decoder.strip = read_character(*part, "content", place);
      const Json* start = find_member(*part, "start");
      const Json* stop = find_member(*part, "stop");
      if (start == nullptr || stop == nullptr)
        fail(Code::kDataCorrupt, "[{}] Strip needs \"start\" and \"stop\"", place);
      parts.decoder.strip_count = integer(*start, place);
      if (parts.decoder.strip_count < 0) fail(Code::kDataCorrupt, "[{}] Strip has a negative \"start\"", place);
      // What comes off the end of a text is known only when no more of it comes.
      if (integer(*stop, place) != 0) refuse("decoder Strip with the stop", stop->dump(), "0");
    } else {
      refuse("decoder", flat.size() == 1 ? type : type + " in a Sequence, at this place", kSupported);
    }
  }
  check_step_count(replacements.size(), "decoder");
  parts.decoder.replacements = Normalizer(std::move(replacements));
}

void read_post_processor(const Json* post_processor, TokenizerParts& parts) {
  if (post_processor == nullptr) return;
  const std::string place = fmt::format("{} post_processor", kFile);
  for (const Json* part : flatten(*post_processor, "processors", place)) {
    const std::string type = type_of(*part, place);
    if (type == "TemplateProcessing") {
      read_template(*part, parts);
    } else if (type != "ByteLevel") {  // ByteLevel moves offsets, which we do not report
      refuse("post_processor", type, "TemplateProcessing, ByteLevel or a Sequence of them");
    }
  }
}

}  // namespace ganglion::tokenizer
