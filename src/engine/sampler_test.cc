#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"

namespace ganglion::engine {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 0.0f, -1.0f};

// How often each token is picked over many positions.
std::map<std::int32_t, double> shares(const Sampling& sampling, std::int32_t suppressed = -1) {
  constexpr int kDraws = 20000;
  Sampler sampler;
  std::map<std::int32_t, double> out;
  for (int i = 0; i < kDraws; ++i)
    out[sampler.pick(kLogits, sampling, suppressed, 5, static_cast<std::uint64_t>(i)).id] += 1.0 / kDraws;
  return out;
}

double probability(std::int32_t id, double temperature, const std::vector<std::int32_t>& among) {
  double total = 0;
  for (const std::int32_t other : among) total += std::exp(kLogits[static_cast<std::size_t>(other)] / temperature);
  return std::exp(kLogits[static_cast<std::size_t>(id)] / temperature) / total;
}

TEST(Sampler, GreedyPicksTheBestAndItsLogProbability) {
  Sampler sampler;
  const Choice choice = sampler.pick(kLogits, {}, -1, 0, 0);
  EXPECT_EQ(choice.id, 1);
  EXPECT_NEAR(choice.log_prob, std::log(probability(1, 1, {0, 1, 2, 3, 4})), 1e-6);
}

TEST(Sampler, OfEqualLogitsGreedyPicksTheFirst) {
  Sampler sampler;
  EXPECT_EQ(sampler.pick(std::vector<float>{1, 2, 2, 2}, {}, -1, 0, 0).id, 1);
}

TEST(Sampler, ASuppressedTokenIsNeverPicked) {
  Sampler sampler;
  EXPECT_EQ(sampler.pick(kLogits, {}, 1, 0, 0).id, 2);
  EXPECT_EQ(shares({.greedy = false}, 1).count(1), 0u);
}

TEST(Sampler, DrawsWithTheProbabilitiesOfTheTemperature) {
  for (const double temperature : {0.5, 1.0, 2.0}) {
    const auto seen = shares({.greedy = false, .temperature = temperature});
    for (const auto& [id, share] : seen) EXPECT_NEAR(share, probability(id, temperature, {0, 1, 2, 3, 4}), 0.012) << id;
  }
}

TEST(Sampler, TopKKeepsTheKBest) {
  const auto seen = shares({.greedy = false, .top_k = 2});
  EXPECT_EQ(seen.size(), 2u);
  EXPECT_NEAR(seen.at(1), probability(1, 1, {1, 2}), 0.012);
}

TEST(Sampler, TopPKeepsTheFewestThatHoldIt) {
  // Probabilities 0.64, 0.24, 0.09, 0.03, 0.01: 0.8 is held by two, 0.9 by three.
  EXPECT_EQ(shares({.greedy = false, .top_p = 0.8}).size(), 2u);
  const auto three = shares({.greedy = false, .top_p = 0.9});
  EXPECT_EQ(three.size(), 3u);
  EXPECT_NEAR(three.at(0), probability(0, 1, {0, 1, 2}), 0.012);
  EXPECT_EQ(shares({.greedy = false, .top_p = 1e-9}).size(), 1u);
}

TEST(Sampler, TheSameSeedAndPositionGiveTheSameTokenWhateverCameBefore) {
  Sampler fresh, used;
  const Sampling sampling{.greedy = false, .temperature = 1.5};
  for (std::uint64_t i = 0; i < 50; ++i) used.pick(kLogits, sampling, -1, 1, i);
  for (std::uint64_t i = 0; i < 50; ++i)
    EXPECT_EQ(fresh.pick(kLogits, sampling, -1, 77, i).id, used.pick(kLogits, sampling, -1, 77, i).id);
}

TEST(Sampler, NanAndInfinityAreAnErrorNeverAToken) {
  Sampler sampler;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    auto logits = kLogits;
    logits[3] = bad;
    EXPECT_THROW(sampler.pick(logits, {}, -1, 0, 0), Error);
  }
}

TEST(Sampler, ParametersOutOfRangeAreRefusedByName) {
  const auto refusal = [](Sampling sampling) -> std::string {
    try {
      check_sampling(sampling);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(refusal({.temperature = 0}).find("temperature=0"), std::string::npos);
  EXPECT_NE(refusal({.temperature = std::numeric_limits<double>::quiet_NaN()}).find("temperature"), std::string::npos);
  EXPECT_NE(refusal({.top_k = -1}).find("top_k=-1"), std::string::npos);
  EXPECT_NE(refusal({.top_p = 0}).find("top_p=0"), std::string::npos);
  EXPECT_NE(refusal({.top_p = 1.5}).find("top_p=1.5"), std::string::npos);
  EXPECT_EQ(refusal({}), "");
}

TEST(Uniform, StaysInItsRangeAndSpreads) {
  double sum = 0;
  for (std::uint64_t i = 0; i < 10000; ++i) {
    const double value = uniform(3, i);
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

}  // namespace
}  // namespace ganglion::engine
