// GPT-J (Wang and Komatsuzaki 2021), as Hugging Face's GPTJForCausalLM computes it: attention and MLP read the same
// norm and are added together, positions are rotary over part of each head, the head has a bias.
#pragma once

#include <vector>

#include "models/config.h"
#include "models/registry.h"

namespace ganglion::models {

// The fields of a GPT-J config.json. Errors as parse_config.
Config read_gptj_config(const ConfigReader& reader);
// The step of one rank. Errors: as StepFrame; what the finder throws.
Step build_gptj_step(const Config& config, const StepOptions& options, const WeightFinder& weights);
std::vector<PublishedShape> published_gptj_shapes();

}  // namespace ganglion::models
