#include "models/rope_config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "models/step_check.h"

namespace ganglion::models {
namespace {

using nn::RotaryScaling;

std::string llama(const std::string& field) {
  return R"({"model_type": "llama", "vocab_size": 101, "hidden_size": 32, "num_hidden_layers": 1,
    "num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 64, )" +
         field + "}";
}

Config read(const std::string& field) { return parse_config(llama(field), "config.json"); }

TEST(Rope, ReadsTheOldAndTheNewSpellingOfAType) {
  for (const char* field : {R"("rope_scaling": {"type": "linear", "factor": 4})",
                            R"("rope_scaling": {"rope_type": "linear", "factor": 4.0})",
                            R"("rope_scaling": {"type": "linear", "rope_type": "linear", "factor": 4.0})",
                            R"("rope_parameters": {"rope_theta": 10000.0, "rope_type": "linear", "factor": 4.0})"}) {
    const Config config = read(field);
    EXPECT_EQ(config.rotary->scaling, RotaryScaling::kLinear) << field;
    EXPECT_EQ(config.rotary->factor, 4) << field;
    EXPECT_EQ(config.max_positions, 256) << field;
  }
}

TEST(Rope, LeavesPlainPositionsAlone) {
  for (const char* field : {R"("rope_theta": 500000.0)", R"("rope_theta": 5e5, "rope_scaling": null)",
                            R"("rope_theta": 5e5, "rope_scaling": {"rope_type": "default"})",
                            R"("rope_parameters": {"rope_theta": 500000, "rope_type": "default"})"}) {
    const Config config = read(field);
    EXPECT_EQ(config.rotary->scaling, RotaryScaling::kNone) << field;
    EXPECT_EQ(config.rotary->theta, 5e5) << field;
    EXPECT_EQ(config.max_positions, 64) << field;
  }
}

TEST(Rope, RefusesWhatItDoesNotKnowByName) {
  struct Case {
    const char* field;
    const char* named;
  };
  for (const Case& wrong : {
           Case{R"("rope_scaling": {"type": "yarn", "factor": 4.0})", "yarn"},
           Case{R"("rope_scaling": {"rope_type": "longrope", "factor": 4.0})", "longrope"},
           Case{R"("rope_scaling": {"type": "linear", "factor": 4.0, "attention_factor": 2.0})", "attention_factor"},
           Case{R"("rope_scaling": {"type": "linear", "rope_type": "dynamic", "factor": 4.0})", "disagree"},
           Case{R"("rope_scaling": {"type": "linear"})", "factor"},
           Case{R"("rope_scaling": {"type": "linear", "factor": 0.5})", "factor"},
           Case{R"("rope_scaling": {"type": "linear", "factor": "4"})", "factor"},
           Case{R"("rope_scaling": "linear")", "rope_scaling"},
           Case{R"("rope_scaling": {"type": 3})", "type"},
           Case{R"("rope_scaling": {"type": "dynamic", "factor": 2, "original_max_position_embeddings": 32})",
                "original_max_position_embeddings"},
           Case{R"("rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1,
                   "original_max_position_embeddings": 32})",
                "high_freq_factor"},
           Case{R"("rope_theta": 0)", "rope_theta"},
           Case{R"("rope_theta": 1e300)", "rope_theta"},
           Case{R"("partial_rotary_factor": 0.5)", "partial_rotary_factor"},
       }) {
    EXPECT_NE(refusal_of(llama(wrong.field)).find(wrong.named), std::string::npos)
        << wrong.field << ": " << refusal_of(llama(wrong.field));
  }
}

TEST(RotaryFrequencies, FallFromOneByPowersOfTheBase) {
  const auto plain = nn::rotary_frequencies({.dim = 8, .theta = 10000});
  ASSERT_EQ(plain.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_FLOAT_EQ(plain[i], static_cast<float>(std::pow(10.0, -static_cast<double>(i))));
}

TEST(RotaryFrequencies, OfTheDynamicScalingChangeOnlyBeyondTheBoundary) {
  const nn::RotaryOptions options{
      .dim = 8, .theta = 10000, .scaling = RotaryScaling::kDynamic, .factor = 2, .original_positions = 64};
  EXPECT_EQ(nn::rotary_frequencies(options, 64), nn::rotary_frequencies({.dim = 8, .theta = 10000}));
  // Length 128: the base grows by (2 * 128 / 64 - 1) ^ (8 / 6).
  const auto grown = nn::rotary_frequencies(options, 128);
  const double base = 10000 * std::pow(3.0, 8.0 / 6.0);
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(grown[i], std::pow(base, -static_cast<double>(i) / 4), 1e-6 * grown[i]);
}

TEST(RotaryFrequencies, OfLlama3KeepShortWavesAndStretchLongOnes) {
  const nn::RotaryOptions options{.dim = 64,
                                  .theta = 5e5,
                                  .scaling = RotaryScaling::kLlama3,
                                  .factor = 8,
                                  .low_freq_factor = 1,
                                  .high_freq_factor = 4,
                                  .original_positions = 8192};
  const auto plain = nn::rotary_frequencies({.dim = 64, .theta = 5e5});
  const auto scaled = nn::rotary_frequencies(options);
  int kept = 0, stretched = 0, between = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const double wavelength = 6.283185307 / plain[i];
    if (wavelength < 8192.0 / 4) {
      EXPECT_EQ(scaled[i], plain[i]);
      ++kept;
    } else if (wavelength > 8192.0) {
      EXPECT_EQ(scaled[i], plain[i] / 8);
      ++stretched;
    } else {
      EXPECT_LT(scaled[i], plain[i]);
      EXPECT_GT(scaled[i], plain[i] / 8);
      ++between;
    }
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(stretched, 0);
  EXPECT_GT(between, 0);
}

}  // namespace
}  // namespace ganglion::models
