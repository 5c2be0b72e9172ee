// Llama 1 to 3 (Touvron et al. 2023, arXiv:2302.13971 and 2307.09288; Grattafiori et al. 2024, arXiv:2407.21783), as
// Hugging Face's LlamaForCausalLM computes it: RMS norms, rotary positions, grouped heads, a gated MLP.
#pragma once

#include <vector>

#include "models/config.h"
#include "models/registry.h"

namespace ganglion::models {

struct LlamaConfig {
  bool attention_bias = false;
  bool mlp_bias = false;
};

// The fields of a Llama config.json. Errors as parse_config.
Config read_llama_config(const ConfigReader& reader);
// The step of one rank. Errors: as StepFrame; what the finder throws.
Step build_llama_step(const Config& config, const StepOptions& options, const WeightFinder& weights);
std::vector<PublishedShape> published_llama_shapes();

}  // namespace ganglion::models
