// tokenizer.model: what is malformed or ours to refuse. That the ids are right is for golden_test.cc.
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "tokenizer/proto/sentencepiece.pb.h"
#include "tokenizer/tokenizer.h"

namespace ganglion::tokenizer {
namespace {

proto::ModelProto small_model() {
  proto::ModelProto model;
  model.mutable_trainer_spec()->set_model_type(2);
  const auto add = [&](const char* piece, float score, int type) {
    auto* added = model.add_pieces();
    added->set_piece(piece);
    added->set_score(score);
    added->set_type(type);
  };
  add("<unk>", 0, 2);
  add("<s>", 0, 3);
  add("</s>", 0, 3);
  add("\u2581", -3, 1);
  add("a", -4, 1);
  add("b", -5, 1);
  add("ab", -1, 1);
  add("\u2581a", -2, 1);
  add("<sep>", 0, 4);
  return model;
}

std::unique_ptr<Tokenizer> load(const std::string& bytes, const char* config = "{}") {
  TokenizerFiles files;
  files.tokenizer_model = bytes;
  files.tokenizer_config_json = config;
  return Tokenizer::from_files(files);
}

void expect_refused(const std::string& bytes, Code code, const std::string& message) {
  try {
    load(bytes);
    ADD_FAILURE() << "no error; wanted: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
  }
}

using Ids = std::vector<std::int32_t>;

TEST(SentencepieceModel, MergesByScoreAndFindsControlAndUserPiecesInTheText) {
  const auto tokenizer = load(small_model().SerializeAsString());
  EXPECT_EQ(tokenizer->encode("ab a"), (Ids{1, 3, 6, 7}));
  EXPECT_EQ(tokenizer->encode("a<sep></s>"), (Ids{1, 7, 8, 2}));
  EXPECT_EQ(tokenizer->decode(Ids{1, 7, 8, 2}, {.skip_special_tokens = true}), "a<sep>");
  EXPECT_EQ(tokenizer->encode("xx"), (Ids{1, 3, 0}));  // no bytes to fall back on
}

TEST(SentencepieceModel, SettingsDecideAboutThePrefixSpace) {
  const std::string bytes = small_model().SerializeAsString();
  EXPECT_EQ(load(bytes, R"({"legacy": true})")->encode("a<sep>a"), (Ids{1, 7, 8, 7}));
  EXPECT_EQ(load(bytes, R"({"legacy": false})")->encode("a<sep>a"), (Ids{1, 7, 8, 4}));
  EXPECT_EQ(load(bytes, R"({"add_prefix_space": false})")->encode("a a"), (Ids{1, 4, 7}));
}

TEST(SentencepieceModel, RefusesWhatIsMalformed) {
  expect_refused("no protobuf", Code::kDataCorrupt, "[tokenizer.model] is not a SentencePiece model");
  expect_refused("", Code::kDataCorrupt, "has 0 pieces");
  proto::ModelProto model = small_model();
  model.mutable_pieces(4)->set_score(std::numeric_limits<float>::quiet_NaN());
  expect_refused(model.SerializeAsString(), Code::kDataCorrupt, "[tokenizer.model piece 4] has the score nan");
  model = small_model();
  model.mutable_pieces(4)->set_piece("b");
  expect_refused(model.SerializeAsString(), Code::kDataCorrupt, "token 'b' has two ids");
  model = small_model();
  model.mutable_pieces(4)->set_piece("\xFF");
  expect_refused(model.SerializeAsString(), Code::kDataCorrupt, "[tokenizer.model piece 4] is not valid UTF-8");
  model = small_model();
  model.mutable_trainer_spec()->set_unk_piece("<nothing>");
  expect_refused(model.SerializeAsString(), Code::kDataCorrupt, "unk_piece] '<nothing>' is not among the pieces");
}

TEST(SentencepieceModel, RefusesOtherKindsByName) {
  proto::ModelProto model = small_model();
  model.mutable_trainer_spec()->set_model_type(3);
  expect_refused(model.SerializeAsString(), Code::kUnsupported, "model_type 3 is not supported");
  model = small_model();
  model.mutable_pieces(4)->set_piece(std::string(100'000, 'a'));
  expect_refused(model.SerializeAsString(), Code::kUnsupported, "piece 4] has 100000 bytes; at most 512");
}

}  // namespace
}  // namespace ganglion::tokenizer
