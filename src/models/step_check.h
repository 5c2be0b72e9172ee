// For tests of families: builds a step and finds its weights. Nothing but tests includes this.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <string>

#include "base/error.h"
#include "models/registry.h"

namespace ganglion::models {

// Element i of every tensor is i.
inline WeightFinder counting_weights() {
  return [](const std::string&, const Dims& dims) {
    Tensor tensor(DType::kF32, dims);
    std::iota(tensor.as<float>().begin(), tensor.as<float>().end(), 0.0f);
    return tensor_source(std::move(tensor));
  };
}

inline Step build_for_test(const Config& config, int tp, const WeightFinder& weights = random_weights(1)) {
  StepOptions options;
  options.tp = tp;
  options.size = {.tokens = 4, .sequences = 2, .logit_rows = 2, .blocks = 8, .block_size = 16, .max_blocks = 4};
  return find_family(config.model_type).build(config, options, weights);
}

inline const WeightBinding& find_weight(const Step& step, const std::string& name) {
  for (const WeightBinding& weight : step.weights) {
    if (weight.name == name) return weight;
  }
  std::string names;
  for (const WeightBinding& weight : step.weights) names += weight.name + " ";
  fail(Code::kNotFound, "no weight {} among {}", name, names);
}

inline bool has_weight(const Step& step, const std::string& name) {
  for (const WeightBinding& weight : step.weights) {
    if (weight.name == name) return true;
  }
  return false;
}

// The message of what parse_config throws for a text.
inline std::string refusal_of(const std::string& json) {
  try {
    parse_config(json, "config.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace ganglion::models
