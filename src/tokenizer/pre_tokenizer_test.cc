#include "tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

namespace ganglion::tokenizer {
namespace {

std::string words(std::vector<PreTokenizer::Step> steps, std::string_view text, bool at_start = true) {
  std::string out;
  PreTokenizer(std::move(steps)).split(text, at_start, [&](std::string_view word) {
    if (!out.empty()) out += "|";
    out += word;
  });
  return out;
}

std::string split(SplitBehavior behavior, bool invert, std::string_view text) {
  std::vector<PreTokenizer::Step> steps;
  steps.emplace_back(Split{Pattern::literal("-"), behavior, invert});
  return words(std::move(steps), text);
}

TEST(PreTokenizer, DelimitersGoWhereTheBehaviorPutsThem) {
  EXPECT_EQ(split(SplitBehavior::kIsolated, false, "a--b-c"), "a|-|-|b|-|c");
  EXPECT_EQ(split(SplitBehavior::kRemoved, false, "a--b-c"), "a|b|c");
  EXPECT_EQ(split(SplitBehavior::kRemoved, true, "a--b-c"), "-|-|-");
  EXPECT_EQ(split(SplitBehavior::kMergedWithPrevious, false, "a--b-c"), "a-|-|b-|c");
  EXPECT_EQ(split(SplitBehavior::kMergedWithNext, false, "a--b-c"), "a|-|-b|-c");
  EXPECT_EQ(split(SplitBehavior::kContiguous, false, "a--b-c"), "a|--|b|-|c");
}

std::string metaspace(Metaspace::Prepend prepend, bool split, std::string_view text, bool at_start = true) {
  std::vector<PreTokenizer::Step> steps;
  steps.emplace_back(Metaspace{"_", prepend, split});
  return words(std::move(steps), text, at_start);
}

TEST(PreTokenizer, MetaspacePutsItsCharacterFirstAsTheSchemeSays) {
  EXPECT_EQ(metaspace(Metaspace::Prepend::kAlways, false, "a b", false), "_a_b");
  EXPECT_EQ(metaspace(Metaspace::Prepend::kAlways, false, " a b"), "_a_b");
  EXPECT_EQ(metaspace(Metaspace::Prepend::kFirst, false, "a b"), "_a_b");
  EXPECT_EQ(metaspace(Metaspace::Prepend::kFirst, false, "a b", false), "a_b");
  EXPECT_EQ(metaspace(Metaspace::Prepend::kNever, false, "a b"), "a_b");
  EXPECT_EQ(metaspace(Metaspace::Prepend::kAlways, true, "a  b c"), "_a|_|_b|_c");
}

TEST(PreTokenizer, EachStepCutsWhatTheOneBeforeMade) {
  std::vector<PreTokenizer::Step> steps;
  steps.emplace_back(Split{Pattern::literal("-"), SplitBehavior::kRemoved, false});
  steps.emplace_back(PrefixSpace{});
  steps.emplace_back(Split{Pattern::gpt2()});
  EXPECT_EQ(words(std::move(steps), "ab1-c d- e"), " ab|1| c| d| e");
}

}  // namespace
}  // namespace ganglion::tokenizer
