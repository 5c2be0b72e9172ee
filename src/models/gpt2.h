// GPT-2 (Radford et al. 2019), as Hugging Face's GPT2LMHeadModel computes it, and GPT-BigCode (Ben Allal et al. 2023,
// arXiv:2301.03988), which is GPT-2 with one cached head for all query heads, or with its joined projection laid out by
// heads.
#pragma once

#include <vector>

#include "models/config.h"
#include "models/registry.h"

namespace ganglion::models {

struct Gpt2Config {
  bool transposed = true;               // matrices are kept as [in, out]: gpt2, not gpt_bigcode
  bool grouped = false;                 // c_attn goes head by head: gpt_bigcode without multi_query
  bool scale_attention = true;          // scale_attn_weights
  bool scale_by_inverse_layer = false;  // scale_attn_by_inverse_layer_idx
};

// The fields of a config.json. Errors as parse_config.
Config read_gpt2_config(const ConfigReader& reader);
Config read_gpt_bigcode_config(const ConfigReader& reader);
// The step of one rank of either. Errors: as StepFrame; what the finder throws.
Step build_gpt2_step(const Config& config, const StepOptions& options, const WeightFinder& weights);
std::vector<PublishedShape> published_gpt2_shapes();
std::vector<PublishedShape> published_gpt_bigcode_shapes();

}  // namespace ganglion::models
