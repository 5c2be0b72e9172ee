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
  expect_unsupported("/model/type", "\"WordPiece\"",
                     "[tokenizer.json] model 'WordPiece' is not supported; supported: BPE, Unigram");
  expect_unsupported("/model/type", "\"Unigram\"", "model 'Unigram after ByteLevel'");
  expect_unsupported("/model/dropout", "0.1", "model.dropout '0.1'");
  expect_unsupported("/model/byte_fallback", "true", "model.byte_fallback 'true'");
  expect_unsupported("/model/end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix '</w>'");
  expect_unsupported("/model/continuing_subword_prefix", "\"##\"", "model.continuing_subword_prefix '##'");
}

TEST(TokenizerJson, RefusesOtherStepsByName) {
  expect_unsupported("/normalizer", R"({"type": "NFC"})", "normalizer 'NFC'");
  expect_unsupported("/normalizer", R"({"type": "Sequence", "normalizers": [{"type": "Lowercase"}]})", "'Lowercase'");
  expect_unsupported("/normalizer", R"({"type": "Replace", "pattern": {"Regex": " +"}, "content": ""})",
                     "Replace with the Regex ' +'");
  expect_unsupported("/pre_tokenizer", R"({"type": "Whitespace"})", "pre_tokenizer 'Whitespace'");
  expect_unsupported("/pre_tokenizer",
                     R"({"type": "Sequence", "pretokenizers": [{"type": "Digits"}, {"type": "ByteLevel"}]})",
                     "pre_tokenizer 'Digits'");
  expect_unsupported("/pre_tokenizer",
                     R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "ByteLevel"}]})",
                     "pre_tokenizer 'ByteLevel after ByteLevel'");
  expect_unsupported("/decoder", R"({"type": "WordPiece"})", "decoder 'WordPiece'");
  expect_unsupported("/decoder", "null", "decoder 'null'");
  expect_unsupported("/decoder", R"({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}]})",
                     "decoder 'ByteFallback in a Sequence, at this place'");
  expect_unsupported(
      "/decoder",
      R"({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 1}]})",
      "Strip with the stop '1'");
  expect_unsupported("/post_processor", R"({"type": "BertProcessing"})", "post_processor 'BertProcessing'");
  expect_unsupported("/post_processor/single", R"([{"Sequence": {"id": "B"}}])", "template piece 'Sequence B'");
  expect_unsupported("/post_processor/single", "[]", "template 'without the text'");
}

TEST(TokenizerJson, RefusesPatternsThatWeCannotVouchForWithThePattern) {
  const auto refused = [](const std::string& pattern, const std::string& message) {
    const Json split = {
        {"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
    expect_error(Code::kUnsupported, message, [&] { load_with("/pre_tokenizer", split.dump().c_str()); });
  };
  refused(R"(\w+)", R"('\w' in the pattern '\w+' is not supported)");
  refused(R"(\p{Han}+)", R"('\p{Han}')");
  refused("[a[bc]]+", "'[b'");
  refused("a{,3}", "'{,3}'");
  refused("a{2}+", "'a quantifier after another'");
  refused("(?i)ab", "'(?i'");
  refused("(?i:ss)", "'ss where case is ignored'");
  refused("^a", "'^'");
  refused(R"((a)\1)", R"('\1')");
  refused("(((((a", "'( without )'");
  refused("a)", "')'");
  refused("[a", "'[ without ]'");
  refused("a*", "can match nothing at all");
}

TEST(TokenizerJson, RefusesStepsWithoutAType) {
  expect_corrupt("/pre_tokenizer", "{}", "[tokenizer.json pre_tokenizer] has no \"type\"");
  expect_corrupt("/decoder", "[]", "[tokenizer.json decoder] is array; it must be an object");
  expect_corrupt("/normalizer", R"({"type": "Sequence"})", "a Sequence must have a list \"normalizers\"");
}

TEST(TokenizerJson, RefusesStepsWithMembersThatAreNotTheirs) {
  expect_corrupt("/normalizer", R"({"type": "Prepend"})", "needs a string \"prepend\"");
  expect_corrupt("/pre_tokenizer", R"({"type": "Split", "pattern": "x", "behavior": "Isolated"})",
                 "pattern] must be an object with a \"String\" or a \"Regex\"");
  expect_corrupt("/pre_tokenizer", R"({"type": "Split", "pattern": {"String": "x"}, "behavior": "Sideways"})",
                 "'Sideways' is no behavior of a Split");
  expect_corrupt("/pre_tokenizer", R"({"type": "Metaspace", "replacement": "ab"})",
                 "is 'ab'; it must be one character");
  expect_corrupt("/pre_tokenizer", R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "often"})",
                 "is 'often'; it must be always, first or never");
}

// A BPE over characters: "▁" for spaces, byte tokens for "z" only.
Json character_file() {
  return Json::parse(R"({
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
                                                       {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
    "added_tokens": [{"id": 6, "content": "</s>", "special": true, "normalized": false}],
    "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
      {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    "model": {"type": "BPE", "unk_token": "?", "fuse_unk": true, "byte_fallback": true,
      "vocab": {"?": 0, "▁": 1, "a": 2, "▁a": 3, "<0x7A>": 4, "é": 5}, "merges": ["▁ a"]}
  })");
}

TEST(TokenizerJson, ReadsABpeOverCharactersWithByteFallback) {
  const auto tokenizer = load(character_file().dump());
  EXPECT_EQ(tokenizer->encode("a a"), (Ids{3, 3}));
  EXPECT_EQ(tokenizer->encode("az"), (Ids{3, 4}));
  EXPECT_EQ(tokenizer->encode("aé</s>a"), (Ids{3, 5, 6, 3}));
  EXPECT_EQ(tokenizer->decode(Ids{3, 4, 1, 2}), "az a");
  EXPECT_EQ(tokenizer->encode(""), Ids{});
}

// As Hugging Face's library has it: what waits to be known is written after the bytes that follow it.
TEST(TokenizerJson, AnUnknownCharacterComesAfterTheFallbackBytesBehindIt) {
  const auto tokenizer = load(character_file().dump());
  EXPECT_EQ(tokenizer->encode("xyza"), (Ids{1, 4, 0, 2}));
  EXPECT_EQ(tokenizer->encode("xya"), (Ids{1, 0, 2}));
}

TEST(TokenizerJson, ARunOfBytesIsTextOnlyAsAWhole) {
  Json file = character_file();
  for (const auto& [token, id] : {std::pair{"<0xC3>", 10}, {"<0xA9>", 11}, {"<0xFF>", 12}})
    file["model"]["vocab"][token] = id;
  const auto tokenizer = load(file.dump());
  EXPECT_EQ(tokenizer->decode(Ids{10, 11, 2}), "éa");
  EXPECT_EQ(tokenizer->decode(Ids{10, 11, 12, 2}), "\uFFFD\uFFFD\uFFFDa");
  EXPECT_EQ(tokenizer->decode(Ids{10}), "\uFFFD");
  // A token that is not there does not end the run, one that is left out neither.
  EXPECT_EQ(tokenizer->decode(Ids{10, 99, 6, 11}, {.skip_special_tokens = true}), "é");
  EXPECT_EQ(tokenizer->decode(Ids{10, 6, 11}), "\uFFFD</s>\uFFFD");
}

TEST(TokenizerJson, ANormalizedAddedTokenIsFoundAsTheNormalizerWritesIt) {
  Json file = character_file();
  file["added_tokens"].push_back({{"id", 7}, {"content", "b c"}, {"normalized", true}});
  const auto tokenizer = load(file.dump());
  EXPECT_EQ(tokenizer->encode("b c"), (Ids{7}));
  EXPECT_EQ(tokenizer->encode("a b c"), (Ids{3, 7}));
}

TEST(TokenizerJson, AnAddedTokenIsNoTokenOfTheModel) {
  Json file = character_file();
  file["added_tokens"].push_back({{"id", 7}, {"content", "b"}, {"single_word", true}, {"normalized", false}});
  const auto tokenizer = load(file.dump());
  EXPECT_EQ(tokenizer->encode("b"), (Ids{7}));
  EXPECT_EQ(tokenizer->encode("bb"), (Ids{1, 0}));
}

TEST(TokenizerJson, ReadsAUnigramModelAndMetaspace) {
  Json file = character_file();
  file["normalizer"] = nullptr;
  file["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "first"}, {"split", false}};
  file["decoder"] = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "first"}};
  file["model"] = Json::parse(R"({"type": "Unigram", "unk_id": 0, "byte_fallback": false,
      "vocab": [["?", 0], ["▁", -2], ["a", -2], ["▁a", -3], ["aa", -3.5], ["b", -1]]})");
  const auto tokenizer = load(file.dump());
  EXPECT_EQ(tokenizer->encode("aa</s>a xyb"), (Ids{3, 2, 6, 2, 1, 0, 5}));
  EXPECT_EQ(tokenizer->decode(Ids{3, 3, 1, 2}), "a a a");
  file["model"]["unk_id"] = 6;
  expect_error(Code::kDataCorrupt, "[tokenizer.json model.unk_id] is 6, which no piece has",
               [&] { load(file.dump()); });
  file["model"]["unk_id"] = nullptr;
  expect_error(Code::kUnsupported, "model.unk_id 'null'", [&] { load(file.dump()); });
  file["model"]["vocab"][1] = {"▁", "x"};
  expect_error(Code::kDataCorrupt, "model.vocab[1]] must be [\"piece\", score]", [&] { load(file.dump()); });
}

TEST(TokenizerJson, ANormalizerThatBlowsUpATextIsStopped) {
  Json file = character_file();
  Json steps = Json::array();
  for (int i = 0; i < 8; ++i)
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aaaaaaaa"}});
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", steps}};
  const auto tokenizer = load(file.dump());
  expect_error(Code::kUnsupported, "[tokenizer normalizer] makes", [&] { tokenizer->encode("aaaa"); });
}

}  // namespace
}  // namespace ganglion::tokenizer
