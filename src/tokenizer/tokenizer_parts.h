// What a tokenizer is made of, as the loaders read it from files: tokenizer_json.cc from tokenizer.json,
// sentencepiece_model.cc from tokenizer.model, vocab_merges.cc from vocab.json + merges.txt; tokenizer_config.cc then
// adds what the files beside them say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/unigram.h"
#include "tokenizer/vocabulary.h"

namespace ganglion::tokenizer {

// The text of the files of a model folder that a tokenizer is read from; nullopt for a file that is not there.
struct TokenizerFiles {
  std::optional<std::string> tokenizer_json;
  std::optional<std::string> tokenizer_model;
  std::optional<std::string> vocab_json;
  std::optional<std::string> merges_txt;
  std::optional<std::string> added_tokens_json;
  std::optional<std::string> special_tokens_map_json;
  std::optional<std::string> tokenizer_config_json;
};

struct TokenizerParts {
  Vocabulary vocabulary;
  std::vector<MergeRule> merges;
  BpeOptions bpe;
  std::optional<UnigramOptions> unigram;  // the model, instead of BPE
  std::vector<AddedToken> added;          // grown by add() only
  Normalizer normalizer;
  std::vector<PreTokenizer::Step> pre_tokenizer;
  // The pre-tokenizer is ByteLevel alone, so GPT2Tokenizer's add_prefix_space decides about its prefix space.
  bool plain_byte_level = false;
  Decoder decoder;
  // What encode puts around the text when special tokens are wanted.
  std::vector<std::int32_t> before;
  std::vector<std::int32_t> after;
  std::optional<std::int32_t> bos;
  std::optional<std::int32_t> eos;
  std::optional<std::int32_t> pad;
  std::optional<std::int32_t> unk;

  // The steps of a ByteLevel pre-tokenizer.
  void use_byte_level(bool add_prefix_space, bool split_words);
  // Whether a step puts something before a text that does not begin with a space.
  bool puts_prefix_space() const;
  // nullptr when no added token has this content.
  const AddedToken* find_added(std::string_view content) const;
  // Makes `token` an added token. Its id is that of the vocabulary, or `wanted_id`, or the next free one. An added
  // token of the same content takes the new flags and stays special if it was. Errors: kDataCorrupt when wanted_id
  // contradicts the vocabulary or belongs to another token; `place` says where.
  void add(AddedToken token, std::optional<std::int64_t> wanted_id, std::string_view place);

 private:
  std::unordered_map<std::int32_t, std::size_t> added_by_id_;  // position in `added`
  std::int64_t added_end_ = 0;                                 // one past the largest id of an added token
};

// The rule that merges the tokens `left` and `right`. Errors: kDataCorrupt when one of them, or both together, is not
// in the vocabulary; `file` and `rank` say where.
MergeRule make_merge_rule(const Vocabulary& vocabulary, std::string_view left, std::string_view right,
                          std::string_view file, std::size_t rank);

// Errors of both: kDataCorrupt for what is malformed, kUnsupported for kinds of tokenizer that we do not have, by name.
TokenizerParts read_tokenizer_json(std::string_view tokenizer_json);
TokenizerParts read_vocab_merges(std::string_view vocab_json, std::string_view merges_txt);
// Without the steps around the model, which tokenizer_config.json decides about.
TokenizerParts read_sentencepiece_model(std::string_view tokenizer_model);

// The steps around Llama 2's model.
struct LlamaSteps {
  bool legacy = true;  // every plain part of a text gets a prefix space, not only its start
  bool add_prefix_space = true;
};
void use_llama_steps(LlamaSteps options, TokenizerParts& parts);

// Applies added_tokens.json, special_tokens_map.json and tokenizer_config.json, as transformers' AutoTokenizer does.
// Same errors; kUnsupported also for a tokenizer_class that we do not have.
void apply_tokenizer_config(const TokenizerFiles& files, TokenizerParts& parts);

}  // namespace ganglion::tokenizer
