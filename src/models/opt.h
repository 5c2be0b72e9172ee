// OPT (Zhang et al. 2022, arXiv:2205.01068), as Hugging Face's OPTForCausalLM computes it: pre-norm as all published
// sizes but opt-350m, and post-norm with projections around the layers as that one.
#pragma once

#include <vector>

#include "models/config.h"
#include "models/registry.h"

namespace ganglion::models {

// The fields of an OPT config.json. Errors as parse_config.
Config read_opt_config(const ConfigReader& reader);
// The step of one rank. Errors: as StepFrame; what the finder throws.
Step build_opt_step(const Config& config, const StepOptions& options, const WeightFinder& weights);
std::vector<PublishedShape> published_opt_shapes();

}  // namespace ganglion::models
