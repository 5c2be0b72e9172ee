// OPT (Zhang et al. 2022, arXiv:2205.01068), as Hugging Face's OPTForCausalLM computes it: pre-norm as all published
// sizes but opt-350m, and post-norm with projections around the layers as that one.
#pragma once

#include <vector>

#include "models/config.h"
#include "models/registry.h"

namespace ganglion::models {

struct OptConfig {
  std::int64_t embed_dim = 0;  // word_embed_proj_dim
  bool norm_before = true;     // do_layer_norm_before
  bool final_norm = true;      // not _remove_final_layer_norm
  bool bias = true;            // enable_bias
  bool norm_affine = true;     // layer_norm_elementwise_affine
};

// The fields of an OPT config.json. Errors as parse_config.
Config read_opt_config(const ConfigReader& reader);
// The step of one rank. Errors: as StepFrame; what the finder throws.
Step build_opt_step(const Config& config, const StepOptions& options, const WeightFinder& weights);
std::vector<PublishedShape> published_opt_shapes();

}  // namespace ganglion::models
