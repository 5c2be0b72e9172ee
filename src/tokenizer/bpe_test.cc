#include "tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/file.h"
#include "tokenizer/gpt2_split.h"
#include "tokenizer/tokenizer_parts.h"

namespace ganglion::tokenizer {
namespace {

using Ids = std::vector<std::int32_t>;

Vocabulary make_vocabulary(const std::vector<std::string>& tokens) {
  Vocabulary vocabulary;
  for (std::size_t i = 0; i < tokens.size(); ++i) vocabulary.add(tokens[i], static_cast<std::int64_t>(i), "test");
  return vocabulary;
}

Ids encode(const Bpe& bpe, std::string_view word) {
  Ids ids;
  Bpe::Scratch scratch;
  bpe.encode_word(word, ids, scratch);
  return ids;
}

TEST(Bpe, MergesTheBestRankFirstAndTheLeftmostOfEquals) {
  const Vocabulary vocabulary = make_vocabulary({"a", "b", "c", "bc", "ab", "aa"});
  const Bpe bpe(vocabulary, {{1, 2, 3}, {0, 1, 4}, {0, 0, 5}}, {});
  EXPECT_EQ(encode(bpe, "abc"), (Ids{0, 3}));
  EXPECT_EQ(encode(bpe, "abab"), (Ids{4, 4}));
  EXPECT_EQ(encode(bpe, "aaa"), (Ids{5, 0}));
}

TEST(Bpe, ALaterRuleForTheSamePairReplacesTheEarlier) {
  const Vocabulary vocabulary = make_vocabulary({"a", "b", "ab", "c", "bc"});
  const Bpe bpe(vocabulary, {{0, 1, 2}, {1, 3, 4}, {0, 1, 2}}, {});
  EXPECT_EQ(encode(bpe, "abc"), (Ids{0, 4}));
}

TEST(Bpe, LeavesOutUnknownBytesOrNamesThemAndFusesThem) {
  const Vocabulary vocabulary = make_vocabulary({"a", "?"});
  EXPECT_EQ(encode(Bpe(vocabulary, {}, {}), "xaxx"), (Ids{0}));
  EXPECT_EQ(encode(Bpe(vocabulary, {}, {.unknown = 1}), "xaxx"), (Ids{1, 0, 1, 1}));
  EXPECT_EQ(encode(Bpe(vocabulary, {}, {.unknown = 1, .fuse_unknown = true}), "xaxx"), (Ids{1, 0, 1}));
}

TEST(Bpe, TakesAWholeWordFromTheVocabularyWhenMergesAreIgnored) {
  const Vocabulary vocabulary = make_vocabulary({"a", "Ġ", "Ġaa"});
  EXPECT_EQ(encode(Bpe(vocabulary, {}, {.ignore_merges = true}), " aa"), (Ids{2}));
  EXPECT_EQ(encode(Bpe(vocabulary, {}, {}), " aa"), (Ids{1, 0, 0}));
}

// "a" doubled ten times: every symbol of the run takes part in merges at every level.
TEST(Bpe, AMegabyteOfOneLetterCostsHeapOperationsLinearInItsLength) {
  std::vector<std::string> tokens{"a"};
  std::vector<MergeRule> rules;
  for (std::int32_t level = 0; level < 10; ++level) {
    tokens.push_back(tokens.back() + tokens.back());
    rules.push_back({level, level, level + 1});
  }
  const Vocabulary vocabulary = make_vocabulary(tokens);
  const Bpe bpe(vocabulary, rules, {});
  const auto work_for = [&](std::size_t length) {
    Ids ids;
    Bpe::Scratch scratch;
    bpe.encode_word(std::string(length, 'a'), ids, scratch);
    EXPECT_EQ(ids.size(), length / 1024);
    return scratch.work.heap_operations;
  };
  const std::uint64_t small = work_for(1 << 14);
  const std::uint64_t large = work_for(1 << 20);
  EXPECT_LE(large, 65 * small);              // 64 times the text
  EXPECT_LE(large, std::uint64_t{6} << 20);  // each merge queues at most two pairs, each queued once and taken once
}

TEST(Bpe, AMegabyteOfMixedTextCostsHeapOperationsLinearInItsLength) {
  const std::filesystem::path demo = std::filesystem::path(GANGLION_SOURCE_DIR) / "share/opt-demo";
  const TokenizerParts parts = read_vocab_merges(read_text(demo / "vocab.json"), read_text(demo / "merges.txt"));
  const Bpe bpe(parts.vocabulary, parts.merges, {});
  const std::string unit = "Thou art 1599 more lovely, więcej; 你好世界 — it's\n\n   \tMore'er ";
  const auto work_for = [&](std::size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += unit;
    Ids ids;
    Bpe::Scratch scratch;
    for (std::size_t start = 0; start < text.size();) {
      const std::size_t end = gpt2_word_end(text, start);
      bpe.encode_word(std::string_view(text).substr(start, end - start), ids, scratch);
      start = end;
    }
    EXPECT_EQ(scratch.work.symbols, text.size());
    return static_cast<double>(scratch.work.heap_operations) / static_cast<double>(text.size());
  };
  const double small = work_for(1 << 14);
  const double large = work_for(1 << 20);
  EXPECT_NEAR(large, small, 0.02 * small);
  EXPECT_LE(large, 6.0);
}

}  // namespace
}  // namespace ganglion::tokenizer
