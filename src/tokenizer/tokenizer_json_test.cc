#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.h"
#include "tokenizer/json_text.h"
#include "tokenizer/tokenizer.h"

namespace ganglion::tokenizer {
namespace {

Json small_file() {
  return Json::parse(R"({
    "normalizer": null,
    "added_tokens": [{"id": 4, "content": "</s>", "special": true, "lstrip": false, "rstrip": false, "single_word": false, "normalized": false}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "</s>"}}, {"Sequence": {"id": "A"}}],
                       "special_tokens": {"</s>": {"id": "</s>", "ids": [4], "tokens": ["</s>"]}}},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, "merges": ["a b"]}
  })");
}

std::unique_ptr<Tokenizer> load(const std::string& text) {
  TokenizerFiles files;
  files.tokenizer_json = text;
  return Tokenizer::from_files(files);
}

// The small file with the value at `pointer` replaced.
std::unique_ptr<Tokenizer> load_with(const char* pointer, const char* value) {
  Json file = small_file();
  file[Json::json_pointer(pointer)] = Json::parse(value);
  return load(file.dump());
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

void expect_corrupt(const char* pointer, const char* value, const std::string& message) {
  expect_error(Code::kDataCorrupt, message, [&] { load_with(pointer, value); });
}

void expect_unsupported(const char* pointer, const char* value, const std::string& message) {
  expect_error(Code::kUnsupported, message, [&] { load_with(pointer, value); });
}

using Ids = std::vector<std::int32_t>;

TEST(TokenizerJson, ReadsAByteLevelBpe) {
  const auto tokenizer = load(small_file().dump());
  EXPECT_EQ(tokenizer->encode("ab a</s>"), (Ids{4, 2, 3, 0, 4}));
  EXPECT_EQ(tokenizer->encode("ab", {.add_special_tokens = false}), (Ids{2}));
  EXPECT_EQ(tokenizer->vocab_size(), 5);
}

TEST(TokenizerJson, ReadsMergesAsPairsToo) {
  EXPECT_EQ(load_with("/model/merges", R"([["a", "b"]])")->encode("ab"), (Ids{4, 2}));
}

TEST(TokenizerJson, AppliesTheProcessorsOfASequenceAndTokensAfterTheText) {
  const auto tokenizer = load_with(
      "/post_processor", R"({"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing",
      "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "x"}}], "special_tokens": {"x": {"ids": [4, 0]}}}]})");
  EXPECT_EQ(tokenizer->encode("b"), (Ids{1, 4, 0}));
}

TEST(TokenizerJson, TakesAPieceAsOneWordWithoutTheRegex) {
  Json file = small_file();
  file["model"]["vocab"]["bĠ"] = 5;
  file["model"]["merges"].push_back("b Ġ");
  EXPECT_EQ(load(file.dump())->encode("b b"), (Ids{4, 1, 3, 1}));
  file["pre_tokenizer"]["use_regex"] = false;
  EXPECT_EQ(load(file.dump())->encode("b b"), (Ids{4, 5, 1}));
}

TEST(TokenizerJson, RefusesWhatIsNotJsonAndSaysWhere) {
  expect_error(Code::kDataCorrupt, "[tokenizer.json] is not valid JSON: the error is at byte",
               [] { load(R"({"model": )"); });
  expect_error(Code::kDataCorrupt, "[tokenizer.json] is not valid JSON", [] { load(""); });
  expect_error(Code::kDataCorrupt, "[tokenizer.json] is not valid UTF-8", [] { load("{\"model\": \"\xFF\"}"); });
  expect_error(Code::kDataCorrupt, "[tokenizer.json] is array; it must be an object", [] { load("[]"); });
  expect_error(Code::kDataCorrupt, "[tokenizer.json] has no \"model\"", [] { load("{}"); });
}

TEST(TokenizerJson, RefusesDeepNestingBeforeParsing) {
  expect_error(Code::kDataCorrupt, "nested deeper than 64 levels at byte 64",
               [] { load(std::string(10'000'000, '[')); });
}

TEST(TokenizerJson, RefusesMoreValuesThanAnyTokenizerHas) {
  expect_error(Code::kDataCorrupt, "more than 8388608 values", [] {
    std::string text = "[0";
    for (int i = 0; i < 9'000'000; ++i) text += ",0";
    load(text + "]");
  });
}

TEST(TokenizerJson, RefusesIdsThatAreNegativeHugeFractionsOrShared) {
  expect_corrupt("/model/vocab/a", "-1", "[tokenizer.json model.vocab] the id -1 of token 'a' is outside 0 to 1048575");
  expect_corrupt("/model/vocab/a", "2147483647", "the id 2147483647 of token 'a' is outside 0 to 1048575");
  expect_corrupt("/model/vocab/a", "18446744073709551615",
                 "[tokenizer.json model.vocab] the number 18446744073709551615");
  expect_corrupt("/model/vocab/a", "1e300", "[tokenizer.json model.vocab] is number; it must be an integer");
  expect_corrupt("/model/vocab/a", "\"0\"", "[tokenizer.json model.vocab] is string; it must be an integer");
  expect_corrupt("/model/vocab/a", "1", "the id 1 belongs to both 'a' and 'b'; give each token its own");
}

TEST(TokenizerJson, RefusesMergesOfTokensThatAreNotThere) {
  expect_corrupt("/model/merges", R"(["a b", "a z"])",
                 "[tokenizer.json model.merges] merge 1 ('a' and 'z') needs the token 'z', which the vocabulary lacks");
  expect_corrupt("/model/merges", R"(["b a"])", "needs the token 'ba'");
  expect_corrupt("/model/merges", R"(["ab"])", "merge 0 must be \"left right\"");
  expect_corrupt("/model/merges", R"([["a", "b", "a"]])", "merge 0 must be");
  expect_corrupt("/model/merges", "{}", "[tokenizer.json model.merges] must be a list");
}

TEST(TokenizerJson, RefusesAddedTokensThatContradictTheVocabulary) {
  expect_corrupt("/added_tokens/0/content", "\"a\"", "added token 'a' has the id 4 here but 0 in the vocabulary");
  expect_corrupt("/added_tokens/0/id", "1", "[tokenizer.json added_tokens[0]] the id 1 belongs to both 'b' and '</s>'");
  expect_corrupt("/added_tokens/0/id", "-2147483648", "the id -2147483648 of token '</s>' is outside");
  expect_corrupt("/added_tokens/0/lstrip", "1",
                 "[tokenizer.json added_tokens[0].lstrip] is number; it must be true or false");
  expect_corrupt("/added_tokens/0", "3", "[tokenizer.json added_tokens[0]] is number; it must be an object");
}

TEST(TokenizerJson, RefusesTemplatesOfTokensThatAreNotThere) {
  expect_corrupt("/post_processor/special_tokens", "{}", "has no list of ids for '</s>'");
  expect_corrupt("/post_processor/special_tokens/<~1s>/ids", "[99]", "'</s>' has the id 99, which no token has");
  expect_corrupt("/post_processor/single", "[3]", "a piece must be a SpecialToken or a Sequence");
}

TEST(TokenizerJson, RefusesOtherKindsOfModelByName) {
  expect_unsupported("/model/type", "\"Unigram\"", "[tokenizer.json] model 'Unigram' is not supported; supported: BPE");
  expect_unsupported("/model/type", "\"WordPiece\"", "model 'WordPiece'");
  expect_unsupported("/model/dropout", "0.1", "model.dropout '0.1'");
  expect_unsupported("/model/byte_fallback", "true", "model.byte_fallback 'true'");
  expect_unsupported("/model/end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix '</w>'");
  expect_unsupported("/model/continuing_subword_prefix", "\"##\"", "model.continuing_subword_prefix '##'");
}

TEST(TokenizerJson, RefusesOtherStepsByName) {
  expect_unsupported("/normalizer", R"({"type": "NFC"})", "normalizer 'NFC'");
  expect_unsupported("/normalizer", R"({"type": "Sequence", "normalizers": [{"type": "Lowercase"}]})", "'Lowercase'");
  expect_unsupported("/pre_tokenizer", R"({"type": "Metaspace"})", "pre_tokenizer 'Metaspace'");
  expect_unsupported("/pre_tokenizer",
                     R"({"type": "Sequence", "pretokenizers": [{"type": "Split"}, {"type": "ByteLevel"}]})",
                     "pre_tokenizer 'Split'");
  expect_unsupported("/pre_tokenizer", "null", "pre_tokenizer 'null'");
  expect_unsupported("/decoder", R"({"type": "WordPiece"})", "decoder 'WordPiece'");
  expect_unsupported("/decoder", "null", "decoder 'null'");
  expect_unsupported("/post_processor", R"({"type": "BertProcessing"})", "post_processor 'BertProcessing'");
  expect_unsupported("/post_processor/single", R"([{"Sequence": {"id": "B"}}])", "template piece 'Sequence B'");
  expect_unsupported("/post_processor/single", "[]", "template 'without the text'");
}

TEST(TokenizerJson, RefusesStepsWithoutAType) {
  expect_corrupt("/pre_tokenizer", "{}", "[tokenizer.json pre_tokenizer] has no \"type\"");
  expect_corrupt("/decoder", "[]", "[tokenizer.json decoder] is array; it must be an object");
  expect_corrupt("/normalizer", R"({"type": "Sequence"})", "a Sequence must have a list \"normalizers\"");
}

}  // namespace
}  // namespace ganglion::tokenizer
