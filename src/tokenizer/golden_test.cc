// Every committed golden string (tests/goldens/tokenizer) through every loader.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
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

// The texts of demo.jsonl with the ids of another tokenizer; `own` is the member for one that has ids of its own.
std::vector<Golden> read_more_goldens(const std::string& name, const char* own = "i") {
  std::vector<Golden> goldens = read_goldens("demo.jsonl", Which::kTokenizerJson);
  std::ifstream lines(kGoldens / name);
  for (Golden& golden : goldens) {
    std::string line;
    if (!std::getline(lines, line)) throw std::runtime_error(name + " is shorter than demo.jsonl");
    const Json json = Json::parse(line);
    golden.ids = json[json.contains(own) ? own : "i"].get<std::vector<std::int32_t>>();
    golden.decoded = json.contains("d") ? json["d"].get<std::string>() : to_valid_utf8(golden.text);
  }
  return goldens;
}

void check_encode(const Tokenizer& tokenizer, const std::vector<Golden>& goldens) {
  ASSERT_GE(goldens.size(), 2000u);
  std::size_t wrong = 0;
  for (const Golden& golden : goldens) {
    if (tokenizer.encode(golden.text) != golden.ids && ++wrong <= 10)
      ADD_FAILURE() << "differs from the oracle: " << Json(to_valid_utf8(golden.text)).dump();
  }
  EXPECT_EQ(wrong, 0u) << "of " << goldens.size();
}

void check_stream(const Tokenizer& tokenizer, const std::vector<Golden>& goldens) {
  for (const Golden& golden : goldens) {
    StreamDecoder decoder(tokenizer, {.skip_special_tokens = true});
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

std::unique_ptr<Tokenizer> from_model(const std::string& name, const char* config) {
  TokenizerFiles files;
  files.tokenizer_model = read_text(kGoldens / name / "tokenizer.model");
  files.tokenizer_config_json = config;
  return Tokenizer::from_files(files);
}

std::unique_ptr<Tokenizer> from_json(const std::string& file) {
  TokenizerFiles files;
  files.tokenizer_json = read_text(kGoldens / file);
  return Tokenizer::from_files(files);
}

TEST(Goldens, EveryStringOfALlama3TokenizerJsonEncodesAndDecodesAsTheOracleDoes) {
  const auto tokenizer = Tokenizer::load(kGoldens / "llama3");
  check_all(*tokenizer, read_more_goldens("llama3.jsonl"));
  check_stream(*tokenizer, read_more_goldens("llama3.jsonl"));
}

TEST(Goldens, EveryStringOfALlama2TokenizerJsonEncodesAndDecodesAsTheOracleDoes) {
  const auto tokenizer = from_json("llama2/tokenizer.json");
  check_all(*tokenizer, read_more_goldens("llama2.jsonl"));
  check_stream(*tokenizer, read_more_goldens("llama2.jsonl"));
  check_encode(*from_json("llama2/not_legacy.json"), read_more_goldens("llama2.jsonl", "n"));
}

TEST(Goldens, EveryStringOfALlama2TokenizerModelEncodesAndDecodesAsItsConversionDoes) {
  check_all(*from_model("llama2", R"({"legacy": true})"), read_more_goldens("llama2.jsonl"));
  check_encode(*from_model("llama2", R"({"legacy": false})"), read_more_goldens("llama2.jsonl", "n"));
}

TEST(Goldens, EveryStringOfAUnigramModelEncodesAndDecodesAsTheOracleDoes) {
  check_all(*from_json("unigram/tokenizer.json"), read_more_goldens("unigram.jsonl"));
  check_all(*from_model("unigram", R"({"legacy": true})"), read_more_goldens("unigram.jsonl"));
  check_encode(*from_json("unigram/not_legacy.json"), read_more_goldens("unigram.jsonl", "n"));
  check_encode(*from_model("unigram", R"({"legacy": false})"), read_more_goldens("unigram.jsonl", "n"));
  check_stream(*from_model("unigram", "{}"), read_more_goldens("unigram.jsonl"));
}

// Quadratic time would not end within the tests' limit.
TEST(Goldens, ALongTextOfOneCharacterIsEncodedAndDecodedToItself) {
  for (const char* folder : {"llama2", "llama3", "unigram"}) {
    const auto tokenizer = Tokenizer::load(kGoldens / folder);
    for (const std::string unit : {"a", " ", "\n", "😀", "\u2581", "1", "!", "zq "}) {
      std::string text;
      while (text.size() < (1u << 18)) text += unit;
      const bool is_space = unit == "\u2581" && std::string_view(folder) != "llama3";
      const std::string decoded = tokenizer->decode(tokenizer->encode(text), {.skip_special_tokens = true});
      if (is_space) {
        EXPECT_EQ(decoded, std::string(text.size() / unit.size(), ' ')) << folder;
      } else {
        EXPECT_TRUE(decoded == text) << folder << " '" << unit << "'";
      }
    }
  }
}

TEST(Goldens, StreamedPiecesAreWholeCharactersAndAddUpToTheDecodedText) {
  const auto tokenizer = Tokenizer::load(kSource / "share/opt-demo");
  check_stream(*tokenizer, read_goldens("demo.jsonl", Which::kTokenizerJson));
}

}  // namespace
}  // namespace ganglion::tokenizer
