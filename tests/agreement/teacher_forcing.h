// Teacher forcing: a text is fed to a model token by token, and at every position we look at what the model would have
// said next. Two storage types agree at a position when their most probable tokens are the same.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "models/step.h"

namespace ganglion::agreement {

// What a model says at every position of some windows of tokens.
struct Predictions {
  std::vector<std::int32_t> best;  // most probable next token, per position
  double nats = 0;                 // mean negative log-likelihood of the token that really came next
};

// Each window (at most the model's positions) is one sequence; its last token has no next one and is not predicted.
Predictions predict(const std::filesystem::path& model, models::Types types,
                    const std::vector<std::vector<std::int32_t>>& windows);

// The part of positions, 0 to 1, at which both say the same.
double agreement(const Predictions& a, const Predictions& b);

// At least `count` tokens that the model wrote itself, sampled in f32 at temperature 1 with fixed seeds, in windows.
std::vector<std::vector<std::int32_t>> self_written(const std::filesystem::path& model, std::int64_t count);

// A text in windows of the model's positions, each beginning with its begin-of-text token.
std::vector<std::vector<std::int32_t>> windows_of_text(const std::filesystem::path& model,
                                                       const std::filesystem::path& text);

}  // namespace ganglion::agreement
