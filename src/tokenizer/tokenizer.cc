#include "tokenizer/tokenizer.h"

#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {
namespace {

constexpr std::size_t kTextLimit = std::size_t{1} << 30;
constexpr std::size_t kTokenBytesLimit = std::size_t{1} << 28;

std::optional<std::string> read_if_there(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  return read_text(path);
}

[[noreturn]] void fail_without_tokenizer(const std::filesystem::path& folder) {
  for (const char* name : {"spiece.model", "sentencepiece.bpe.model", "vocab.txt"}) {
    if (std::filesystem::exists(folder / name)) {
      fail(Code::kUnsupported, "[{}] {} is not supported; save the tokenizer as tokenizer.json", folder.string(), name);
    }
  }
  fail(Code::kNotFound,
       "[{}] has no tokenizer: neither tokenizer.json nor tokenizer.model nor vocab.json with merges.txt",
       folder.string());
}

}  // namespace

bool Tokenizer::is_in(const std::filesystem::path& folder) {
  const auto has = [&](const char* name) { return std::filesystem::exists(folder / name); };
  return has("tokenizer.json") || has("tokenizer.model") || (has("vocab.json") && has("merges.txt"));
}

std::unique_ptr<Tokenizer> Tokenizer::load(const std::filesystem::path& model) {
  TokenizerFiles files;
  if (std::filesystem::is_regular_file(model)) {
    const std::string ending = model.extension().string();
    if (ending != ".json" && ending != ".model") {
      fail(Code::kNotFound, "[tokenizer] {}: wanted a tokenizer.json, a tokenizer.model or a folder with one",
           model.string());
    }
    (ending == ".json" ? files.tokenizer_json : files.tokenizer_model) = read_if_there(model);
    return from_files(files);
  }
  files.tokenizer_json = read_if_there(model / "tokenizer.json");
  if (!files.tokenizer_json) files.tokenizer_model = read_if_there(model / "tokenizer.model");
  if (!files.tokenizer_json && !files.tokenizer_model) {
    files.vocab_json = read_if_there(model / "vocab.json");
    files.merges_txt = read_if_there(model / "merges.txt");
    if (!files.vocab_json || !files.merges_txt) fail_without_tokenizer(model);
  }
  files.added_tokens_json = read_if_there(model / "added_tokens.json");
  files.special_tokens_map_json = read_if_there(model / "special_tokens_map.json");
  files.tokenizer_config_json = read_if_there(model / "tokenizer_config.json");
  return from_files(files);
}

std::unique_ptr<Tokenizer> Tokenizer::from_files(const TokenizerFiles& files) {
  TokenizerParts parts;
  if (files.tokenizer_json) {
    parts = read_tokenizer_json(*files.tokenizer_json);
  } else if (files.tokenizer_model) {
    parts = read_sentencepiece_model(*files.tokenizer_model);
  } else if (files.vocab_json && files.merges_txt) {
    parts = read_vocab_merges(*files.vocab_json, *files.merges_txt);
  } else {
    fail(Code::kNotFound, "[tokenizer] none of tokenizer.json, tokenizer.model, vocab.json with merges.txt is there");
  }
  apply_tokenizer_config(files, parts);
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(parts)));
}

Tokenizer::Tokenizer(TokenizerParts parts)
    : parts_(std::move(parts)),
      added_tokens_(parts_.added, parts_.normalizer),
      pre_tokenizer_(parts_.pre_tokenizer),
      bpe_(parts_.vocabulary, parts_.merges, parts_.bpe) {
  const auto count = static_cast<std::size_t>(parts_.vocabulary.id_end());
  special_.assign(count, false);
  for (const AddedToken& token : parts_.added) special_[static_cast<std::size_t>(token.id)] = token.special;
  byte_.assign(count, false);
  if (parts_.unigram) unigram_.emplace(parts_.vocabulary, *std::move(parts_.unigram));
  byte_offsets_.reserve(count + 1);
  byte_offsets_.push_back(0);
  for (std::size_t id = 0; id < count; ++id) {
    if (const std::string* text = parts_.vocabulary.text(static_cast<std::int32_t>(id))) {
      const Decoder::Piece piece = parts_.decoder.piece(*text);
      bytes_ += piece.bytes;
      byte_[id] = piece.is_byte;
    }
    if (bytes_.size() > kTokenBytesLimit) {
      fail(Code::kUnsupported, "[tokenizer] the decoder makes more than {} bytes of all tokens", kTokenBytesLimit);
    }
    byte_offsets_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  }
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() >= kTextLimit) {
    fail(Code::kInvalidArgument, "[tokenizer] the text has {} bytes; it must have fewer than {}", text.size(),
         kTextLimit);
  }
  std::string repaired;
  if (!is_valid_utf8(text)) text = repaired = to_valid_utf8(text);
  std::vector<std::int32_t> ids;
  if (options.add_special_tokens) ids = parts_.before;
  Bpe::Scratch scratch(text.size());
  for (const TextPart& part : added_tokens_.split_verbatim(text)) {
    if (part.token) {
      ids.push_back(*part.token);
      continue;
    }
    std::string normalized;
    std::string_view plain = part.text;
    if (!parts_.normalizer.empty()) plain = normalized = parts_.normalizer.apply(plain);
    const bool at_start = part.text.data() == text.data();
    for (const TextPart& inner : added_tokens_.split_normalized(plain)) {
      if (inner.token) {
        ids.push_back(*inner.token);
      } else {
        encode_plain(inner.text, at_start && inner.text.data() == plain.data(), ids, scratch);
      }
    }
  }
  if (options.add_special_tokens) ids.insert(ids.end(), parts_.after.begin(), parts_.after.end());
  return ids;
}

void Tokenizer::encode_plain(std::string_view part, bool at_start, std::vector<std::int32_t>& out,
                             Bpe::Scratch& scratch) const {
  if (unigram_) {
    pre_tokenizer_.split(part, at_start, [&](std::string_view word) { unigram_->encode_word(word, out); });
  } else {
    pre_tokenizer_.split(part, at_start, [&](std::string_view word) { bpe_.encode_word(word, out, scratch); });
  }
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, DecodeOptions options) const {
  StreamDecoder decoder(*this, options);
  std::string text;
  for (const std::int32_t id : ids) decoder.push(id, text);
  decoder.flush(text);
  return text;
}

std::string_view Tokenizer::token_bytes(std::int32_t id) const noexcept {
  if (id < 0 || id >= vocab_size()) return {};
  const auto index = static_cast<std::size_t>(id);
  return std::string_view(bytes_).substr(byte_offsets_[index], byte_offsets_[index + 1] - byte_offsets_[index]);
}

bool Tokenizer::is_special(std::int32_t id) const noexcept {
  return id >= 0 && static_cast<std::size_t>(id) < special_.size() && special_[static_cast<std::size_t>(id)];
}

bool Tokenizer::is_byte(std::int32_t id) const noexcept {
  return id >= 0 && static_cast<std::size_t>(id) < byte_.size() && byte_[static_cast<std::size_t>(id)];
}

}  // namespace ganglion::tokenizer
