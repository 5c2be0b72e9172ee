// Tokenizer as a whole: folders, the files beside vocab.json and tokenizer.json, and decoding.
#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/stream_decoder.h"

namespace ganglion::tokenizer {
namespace {

using Ids = std::vector<std::int32_t>;
const std::filesystem::path kDemo = std::filesystem::path(GANGLION_SOURCE_DIR) / "share/opt-demo";

// a, b, ab and a space, with </s> and <pad> in the vocabulary.
TokenizerFiles small_files() {
  TokenizerFiles files;
  files.vocab_json = R"({"<pad>": 0, "</s>": 1, "a": 2, "b": 3, "ab": 4, "Ġ": 5, "Ġa": 6})";
  files.merges_txt = "#version: 0.2\na b\nĠ a\n";
  files.tokenizer_config_json =
      R"({"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"})";
  return files;
}

void expect_error(Code code, const std::string& message, const std::function<void()>& act) {
  try {
    act();
    ADD_FAILURE() << "no error; wanted: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
  }
}

void expect_refused(const TokenizerFiles& files, Code code, const std::string& message) {
  expect_error(code, message, [&] { Tokenizer::from_files(files); });
}

TEST(Tokenizer, LoadsTheEmbeddedModelAndKnowsItsSpecialTokens) {
  const auto tokenizer = Tokenizer::load(kDemo);
  EXPECT_EQ(tokenizer->encode("Hello world"), (Ids{2, 76, 412, 115, 863}));
  EXPECT_EQ(tokenizer->vocab_size(), 2048);
  EXPECT_EQ(tokenizer->bos_id(), 2);
  EXPECT_EQ(tokenizer->eos_id(), 2);
  EXPECT_EQ(tokenizer->pad_id(), 1);
  EXPECT_TRUE(tokenizer->is_special(2));
  EXPECT_FALSE(tokenizer->is_special(76));
  EXPECT_EQ(tokenizer->token_bytes(863), " world");
}

TEST(Tokenizer, EncodesTheSameFromManyThreads) {
  const auto tokenizer = Tokenizer::load(kDemo);
  const std::string text = read_text(kDemo / "PROVENANCE.md");
  const Ids expected = tokenizer->encode(text);
  std::vector<Ids> results(8);
  {
    std::vector<std::jthread> threads;
    for (Ids& result : results) threads.emplace_back([&] { result = tokenizer->encode(text); });
  }
  for (const Ids& result : results) EXPECT_EQ(result, expected);
}

TEST(Tokenizer, AFolderWithoutATokenizerIsNotFound) {
  expect_error(Code::kNotFound, "has no tokenizer: neither tokenizer.json nor tokenizer.model nor vocab.json",
               [] { Tokenizer::load(std::filesystem::path(GANGLION_SOURCE_DIR) / "cmake"); });
}

TEST(Tokenizer, AFolderWithAnotherKindOfTokenizerIsRefusedByName) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "tokenizer_test_wordpiece";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "vocab.txt") << "x";
  expect_error(Code::kUnsupported, "vocab.txt is not supported", [&] { Tokenizer::load(folder); });
  std::filesystem::remove_all(folder);
}

TEST(VocabMerges, MergesByRankAndNamesTheLineOfABadOne) {
  TokenizerFiles files = small_files();
  EXPECT_EQ(Tokenizer::from_files(files)->encode("ab a"), (Ids{4, 6}));
  files.merges_txt = "#version: 0.2\na b\n\na b Ġ\n";
  expect_refused(files, Code::kDataCorrupt, "[merges.txt] line 4 has 3 words; a merge is two tokens");
  files.merges_txt = "#version: 0.2\nb b\n";
  expect_refused(files, Code::kDataCorrupt, "[merges.txt] merge 0 ('b' and 'b') needs the token 'bb'");
}

TEST(VocabMerges, ReadsLinesBetweenTheFirstAndTheLastNewlineAsGpt2TokenizerDoes) {
  TokenizerFiles files = small_files();
  for (const char* nothing : {"", "a b", "a b\n", "\na b"}) {
    files.merges_txt = nothing;
    EXPECT_EQ(Tokenizer::from_files(files)->encode("ab"), (Ids{2, 3})) << nothing;
  }
}

TEST(VocabMerges, RefusesAVocabularyThatIsNotOne) {
  TokenizerFiles files = small_files();
  files.vocab_json = "[1, 2]";
  expect_refused(files, Code::kDataCorrupt, "[vocab.json] is array; it must be an object");
  files.vocab_json = R"({"a": -5})";
  expect_refused(files, Code::kDataCorrupt, "[vocab.json] the id -5 of token 'a' is outside");
  files.vocab_json = R"({"a": 1, "b": 1})";
  expect_refused(files, Code::kDataCorrupt, "the id 1 belongs to both");
}

TEST(TokenizerConfig, AddBosTokenPutsTheBosTokenFirst) {
  TokenizerFiles files = small_files();
  files.tokenizer_config_json =
      R"({"add_bos_token": true, "bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>"})";
  const auto tokenizer = Tokenizer::from_files(files);
  EXPECT_EQ(tokenizer->encode("ab"), (Ids{1, 4}));
  EXPECT_EQ(tokenizer->encode(""), (Ids{1}));
  EXPECT_EQ(tokenizer->encode("ab", {.add_special_tokens = false}), (Ids{4}));
}

TEST(TokenizerConfig, ATokenizerJsonDecidesAloneWhetherATokenComesFirst) {
  TokenizerFiles files;
  files.tokenizer_json =
      R"({"pre_tokenizer": {"type": "ByteLevel"}, "decoder": {"type": "ByteLevel"}, "post_processor": null,
      "model": {"type": "BPE", "vocab": {"a": 0, "</s>": 1, "Ġ": 2}, "merges": []}})";
  files.tokenizer_config_json = R"({"tokenizer_class": "GPT2Tokenizer", "add_bos_token": true, "bos_token": "</s>",
      "eos_token": "</s>", "unk_token": "</s>"})";
  EXPECT_EQ(Tokenizer::from_files(files)->encode("a"), (Ids{0}));
}

TEST(TokenizerConfig, AddPrefixSpaceGivesEveryPlainPartASpace) {
  TokenizerFiles files = small_files();
  files.tokenizer_config_json =
      R"({"add_prefix_space": true, "bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>"})";
  const auto tokenizer = Tokenizer::from_files(files);
  EXPECT_EQ(tokenizer->encode("a</s>a</s> a"), (Ids{6, 1, 6, 1, 6}));
  EXPECT_EQ(tokenizer->encode(""), Ids{});
}

TEST(TokenizerConfig, TheSpecialTokensMapOverridesItAndAddedTokensDecoderOverridesBoth) {
  TokenizerFiles files = small_files();
  files.special_tokens_map_json = R"({"bos_token": {"content": "<pad>", "lstrip": true}})";
  EXPECT_EQ(Tokenizer::from_files(files)->bos_id(), 0);
  files.tokenizer_config_json = R"({"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>",
      "added_tokens_decoder": {"7": {"content": "<new>", "rstrip": true, "special": true}}})";
  const auto tokenizer = Tokenizer::from_files(files);
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->encode("a<new>  b"), (Ids{2, 7, 3}));
  EXPECT_TRUE(tokenizer->is_special(7));
}

TEST(TokenizerConfig, AddedTokensJsonGivesPlainTokensTheirIds) {
  TokenizerFiles files = small_files();
  files.added_tokens_json = R"({"<x>": 7, "<y>": 8})";
  const auto tokenizer = Tokenizer::from_files(files);
  EXPECT_EQ(tokenizer->encode("<y><x>"), (Ids{8, 7}));
  EXPECT_FALSE(tokenizer->is_special(7));
  files.added_tokens_json = R"({"<x>": 7, "<y>": 7})";
  expect_refused(files, Code::kDataCorrupt, "[added_tokens.json] the id 7 is given twice");
  files.added_tokens_json = R"({"ab": 7})";
  expect_refused(files, Code::kDataCorrupt, "[added_tokens.json] added token 'ab' has the id 7 here but 4");
}

TEST(TokenizerConfig, RefusesOtherTokenizerClassesAndErrorModesByName) {
  TokenizerFiles files = small_files();
  files.tokenizer_config_json = R"({"tokenizer_class": "RobertaTokenizer"})";
  expect_refused(files, Code::kUnsupported,
                 "[tokenizer_config.json tokenizer_class] 'RobertaTokenizer' is not supported");
  files.tokenizer_config_json = R"({"tokenizer_class": "PreTrainedTokenizerFast"})";
  expect_refused(files, Code::kUnsupported, "PreTrainedTokenizerFast needs a tokenizer.json");
  files.tokenizer_config_json = R"({"tokenizer_class": "LlamaTokenizer"})";
  expect_refused(files, Code::kUnsupported, "LlamaTokenizer needs a tokenizer.json");
  files.tokenizer_config_json = R"({"errors": "strict"})";
  expect_refused(files, Code::kUnsupported, "[tokenizer_config.json errors] 'strict' is not supported");
}

TokenizerFiles llama_files() {
  TokenizerFiles files;
  files.tokenizer_json =
      read_text(std::filesystem::path(GANGLION_SOURCE_DIR) / "tests/goldens/tokenizer/llama2/tokenizer.json");
  return files;
}

TEST(TokenizerConfig, LlamasClassesPutBosFirstAndEosLastAsTheirSettingsSay) {
  TokenizerFiles files = llama_files();
  files.tokenizer_config_json = R"({"tokenizer_class": "LlamaTokenizer"})";
  EXPECT_EQ(Tokenizer::from_files(files)->encode(""), (Ids{1}));
  files.tokenizer_config_json =
      R"({"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": false, "add_eos_token": true})";
  EXPECT_EQ(Tokenizer::from_files(files)->encode(""), (Ids{2}));
  files.tokenizer_config_json = R"({"tokenizer_class": "LlamaTokenizer", "bos_token": null})";
  expect_refused(files, Code::kDataCorrupt, "add_bos_token is true but there is no bos_token");
}

TEST(TokenizerConfig, AnAddPrefixSpaceThatLlamasTokenizerJsonContradictsIsRefused) {
  TokenizerFiles files = llama_files();
  files.tokenizer_config_json = R"({"tokenizer_class": "LlamaTokenizer", "add_prefix_space": false})";
  expect_refused(files, Code::kUnsupported, "add_prefix_space is false, which tokenizer.json contradicts");
  files.tokenizer_config_json = R"({"tokenizer_class": "LlamaTokenizer", "add_prefix_space": true})";
  EXPECT_NO_THROW(Tokenizer::from_files(files));
}

TEST(TokenizerConfig, NamesTheMemberThatHasTheWrongType) {
  TokenizerFiles files = small_files();
  files.tokenizer_config_json = R"({"bos_token": 3})";
  expect_refused(files, Code::kDataCorrupt,
                 "[tokenizer_config.json bos_token] is number; it must be a string or an object");
  files.tokenizer_config_json = R"({"added_tokens_decoder": {"-1": {"content": "x"}}})";
  expect_refused(files, Code::kDataCorrupt,
                 "[tokenizer_config.json added_tokens_decoder.-1] the key must be a token id");
  files.tokenizer_config_json = R"({"add_prefix_space": "yes"})";
  expect_refused(files, Code::kDataCorrupt, "[tokenizer_config.json.add_prefix_space] is string");
}

TEST(Decode, LeavesOutIdsThatNoTokenHas) {
  const auto tokenizer = Tokenizer::from_files(small_files());
  EXPECT_EQ(tokenizer->decode(Ids{-1, 4, 1000, 2147483647, 6}), "ab a");
  EXPECT_EQ(tokenizer->token_bytes(-1), "");
  EXPECT_EQ(tokenizer->token_bytes(7), "");
}

TEST(Decode, LeavesOutSpecialTokensOnlyWhenAsked) {
  const auto tokenizer = Tokenizer::from_files(small_files());
  EXPECT_EQ(tokenizer->decode(Ids{1, 2, 1}), "</s>a</s>");
  EXPECT_EQ(tokenizer->decode(Ids{1, 2, 1}, {.skip_special_tokens = true}), "a");
}

TEST(StreamDecoder, HoldsBackTheBytesOfAnUnfinishedCharacter) {
  const auto tokenizer = Tokenizer::load(kDemo);
  const Ids ids = tokenizer->encode("😀!", {.add_special_tokens = false});
  ASSERT_EQ(ids.size(), 5u);  // the vocabulary has no merges for it: four bytes and a sign
  StreamDecoder decoder(*tokenizer, {});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(decoder.push(ids[static_cast<std::size_t>(i)]), "");
  EXPECT_EQ(decoder.push(ids[3]), "😀");
  EXPECT_EQ(decoder.push(ids[4]), "!");
  EXPECT_EQ(decoder.flush(), "");
}

TEST(StreamDecoder, GivesOneReplacementForAnUnfinishedCharacterAtTheEndOrBeforeAnother) {
  const auto tokenizer = Tokenizer::load(kDemo);
  const Ids ids = tokenizer->encode("😀!", {.add_special_tokens = false});
  StreamDecoder decoder(*tokenizer, {});
  EXPECT_EQ(decoder.push(ids[0]), "");
  EXPECT_EQ(decoder.push(ids[1]), "");
  EXPECT_EQ(decoder.push(ids[4]), "\uFFFD!");
  EXPECT_EQ(decoder.push(ids[0]), "");
  EXPECT_EQ(decoder.flush(), "\uFFFD");
  EXPECT_EQ(decoder.flush(), "");
}

}  // namespace
}  // namespace ganglion::tokenizer
