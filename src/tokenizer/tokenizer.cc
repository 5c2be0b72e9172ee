#include "tokenizer/tokenizer.h"

#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/gpt2_split.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {
namespace {

constexpr std::size_t kTextLimit = std::size_t{1} << 30;

std::optional<std::string> read_if_there(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  return read_text(path);
}

}  // namespace

std::unique_ptr<Tokenizer> Tokenizer::load(const std::filesystem::path& model_dir) {
  TokenizerFiles files;
  files.tokenizer_json = read_if_there(model_dir / "tokenizer.json");
  if (!files.tokenizer_json) {
    files.vocab_json = read_if_there(model_dir / "vocab.json");
    files.merges_txt = read_if_there(model_dir / "merges.txt");
  }
  if (!files.tokenizer_json && !(files.vocab_json && files.merges_txt)) {
    for (const char* name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.txt"}) {
      if (std::filesystem::exists(model_dir / name)) {
        fail(Code::kUnsupported, "[{}] {} is not supported; convert the tokenizer to a byte-level BPE tokenizer.json",
             model_dir.string(), name);
      }
    }
    fail(Code::kNotFound, "[{}] has no tokenizer: neither tokenizer.json nor vocab.json with merges.txt",
         model_dir.string());
  }
  files.added_tokens_json = read_if_there(model_dir / "added_tokens.json");
  files.special_tokens_map_json = read_if_there(model_dir / "special_tokens_map.json");
  files.tokenizer_config_json = read_if_there(model_dir / "tokenizer_config.json");
  return from_files(files);
}

std::unique_ptr<Tokenizer> Tokenizer::from_files(const TokenizerFiles& files) {
  TokenizerParts parts;
  if (files.tokenizer_json) {
    parts = read_tokenizer_json(*files.tokenizer_json);
  } else if (files.vocab_json && files.merges_txt) {
    parts = read_vocab_merges(*files.vocab_json, *files.merges_txt);
  } else {
    fail(Code::kNotFound, "[tokenizer] neither tokenizer.json nor vocab.json with merges.txt is there");
  }
  apply_tokenizer_config(files, parts);
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(parts)));
}

Tokenizer::Tokenizer(TokenizerParts parts)
    : parts_(std::move(parts)), added_tokens_(parts_.added), bpe_(parts_.vocabulary, parts_.merges, parts_.bpe) {
  const auto count = static_cast<std::size_t>(parts_.vocabulary.id_end());
  special_.assign(count, false);
  for (const AddedToken& token : parts_.added) special_[static_cast<std::size_t>(token.id)] = token.special;
  byte_offsets_.reserve(count + 1);
  byte_offsets_.push_back(0);
  for (std::size_t id = 0; id < count; ++id) {
    if (const std::string* text = parts_.vocabulary.text(static_cast<std::int32_t>(id))) {
      bytes_ += alphabet_to_bytes(*text);
    }
    byte_offsets_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  }
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() >= kTextLimit) {
    fail(Code::kInvalidArgument, "[tokenizer] the text has {} bytes; it must have fewer than {}", text.size(),
         kTextLimit);
  }
  const std::string valid = to_valid_utf8(text);
  std::vector<std::int32_t> ids;
  if (options.add_special_tokens) ids = parts_.before;
  for (const TextPart& part : added_tokens_.split(valid)) {
    if (part.token) {
      ids.push_back(*part.token);
    } else if (parts_.add_prefix_space && part.text[0] != ' ') {
      encode_plain(" " + std::string(part.text), ids);
    } else {
      encode_plain(part.text, ids);
    }
  }
  if (options.add_special_tokens) ids.insert(ids.end(), parts_.after.begin(), parts_.after.end());
  return ids;
}

void Tokenizer::encode_plain(std::string_view text, std::vector<std::int32_t>& out) const {
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = parts_.split_words ? gpt2_word_end(text, start) : text.size();
    bpe_.encode_word(text.substr(start, end - start), out);
    start = end;
  }
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, DecodeOptions options) const {
  StreamDecoder decoder(*this, options);
  std::string text;
  for (const std::int32_t id : ids) text += decoder.push(id);
  text += decoder.flush();
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

}  // namespace ganglion::tokenizer
