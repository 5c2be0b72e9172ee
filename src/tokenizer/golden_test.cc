// Every committed golden string (tests/goldens/tokenizer) through every loader.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "tokenizer/json_text.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {
namespace {

const std::filesystem::path kSource = GANGLION_SOURCE_DIR;
const std::filesystem::path kGoldens = kSource / "tests/goldens/tokenizer";

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

struct Golden {
  std::string text;
  std::vector<std::int32_t> ids;
  std::string decoded;
};

enum class Which { kTokenizerJson, kVocabMerges };

std::vector<Golden> read_goldens(const std::string& name, Which which) {
  std::vector<Golden> goldens;
  std::ifstream lines(kGoldens / name);
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line);
    Golden golden;
    golden.text = json.contains("b") ? from_hex(json["b"].get<std::string>()) : json["t"].get<std::string>();
    const bool own = which == Which::kVocabMerges && json.contains("v");
    golden.ids = json[own ? "v" : "i"].get<std::vector<std::int32_t>>();
    const char* decoded = own ? "vd" : "d";
    golden.decoded = json.contains(decoded) ? json[decoded].get<std::string>() : to_valid_utf8(golden.text);
    goldens.push_back(std::move(golden));
  }
  return goldens;
}

void check_all(const Tokenizer& tokenizer, const std::vector<Golden>& goldens) {
  ASSERT_GE(goldens.size(), 2000u);
  std::size_t wrong = 0;
  for (const Golden& golden : goldens) {
    const bool same = tokenizer.encode(golden.text) == golden.ids &&
                      tokenizer.decode(golden.ids, {.skip_special_tokens = true}) == golden.decoded;
    if (!same && ++wrong <= 10) ADD_FAILURE() << "differs from the oracle: " << Json(to_valid_utf8(golden.text)).dump();
  }
  EXPECT_EQ(wrong, 0u) << "of " << goldens.size();
}

TEST(Goldens, EveryStringOfTheDemoTokenizerJsonEncodesAndDecodesAsTheOracleDoes) {
  const auto tokenizer = Tokenizer::load(kSource / "share/opt-demo");
  check_all(*tokenizer, read_goldens("demo.jsonl", Which::kTokenizerJson));
}

TEST(Goldens, EveryStringOfTheDemoVocabAndMergesEncodesAndDecodesAsTheOracleDoes) {
  const std::filesystem::path demo = kSource / "share/opt-demo";
  TokenizerFiles files;
  files.vocab_json = read_text(demo / "vocab.json");
  files.merges_txt = read_text(demo / "merges.txt");
  files.tokenizer_config_json = read_text(demo / "tokenizer_config.json");
  files.special_tokens_map_json = read_text(demo / "special_tokens_map.json");
  check_all(*Tokenizer::from_files(files), read_goldens("demo.jsonl", Which::kVocabMerges));
}

TEST(Goldens, EveryStringOfTheTrainedTokenizerEncodesAndDecodesAsTheOracleDoes) {
  const auto tokenizer = Tokenizer::load(kGoldens / "trained");
  check_all(*tokenizer, read_goldens("trained.jsonl", Which::kTokenizerJson));
}

TEST(Goldens, StreamedPiecesAreWholeCharactersAndAddUpToTheDecodedText) {
  const auto tokenizer = Tokenizer::load(kSource / "share/opt-demo");
  for (const Golden& golden : read_goldens("demo.jsonl", Which::kTokenizerJson)) {
    StreamDecoder decoder(*tokenizer, {.skip_special_tokens = true});
    std::string all;
    for (const std::int32_t id : golden.ids) {
      const std::string piece = decoder.push(id);
      ASSERT_EQ(piece, to_valid_utf8(piece));
      all += piece;
    }
    all += decoder.flush();
    ASSERT_EQ(all, golden.decoded);
  }
}

}  // namespace
}  // namespace ganglion::tokenizer
