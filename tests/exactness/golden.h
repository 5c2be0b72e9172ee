// What Hugging Face transformers makes of a model in f32 (make_goldens.py in tests/goldens/opt and
// tests/goldens/families), read from its files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "models/config.h"
#include "models/step.h"
#include "tensor/tensor.h"

namespace ganglion::exactness {

struct GoldenPrompt {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> new_ids;  // greedy; end-of-text does not stop them
  std::vector<double> gaps;           // between the two best logits of each step
};

struct Golden {
  std::filesystem::path model;  // the checkpoint folder
  std::vector<GoldenPrompt> prompts;
  std::vector<std::int64_t> logit_steps;
  Tensor logits;  // f32 [prompt, logit step, vocab]
};

// By the name of its folder under tests/goldens/opt or tests/goldens/families.
Golden load_golden(const std::string& name);
const std::vector<std::string>& golden_names();

// A checkpoint folder's config and weights, ready for an Engine.
struct Checkpoint {
  models::Config config;
  models::WeightFinder weights;
};
Checkpoint open_checkpoint(const std::filesystem::path& folder);

}  // namespace ganglion::exactness
