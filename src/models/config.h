// What config.json says, in the terms every family shares; what only one family has stays in `family` text and numbers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "nn/activation.h"
#include "tensor/dtype.h"

namespace ganglion::models {

using nn::ActivationFunction;

// The checkpoint's matrices are in whole numbers, as `ganglion quantize` writes them.
struct Quantization {
  DType storage = DType::kS8;  // s8, or s4 with the vocabulary's and some others in s8
  std::int64_t group = 32;     // of s4: 32, 64 or 128
};

struct Config {
  std::string model_type;  // "opt"
  std::int64_t vocab = 0;
  std::int64_t hidden = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t ffn = 0;
  std::int64_t max_positions = 0;
  ActivationFunction activation = ActivationFunction::kRelu;
  float norm_epsilon = 1e-5f;
  bool tied_head = true;
  bool norm_before = true;     // OPT: do_layer_norm_before
  bool final_norm = true;      // OPT: not _remove_final_layer_norm
  bool bias = true;            // OPT: enable_bias
  bool norm_affine = true;     // OPT: layer_norm_elementwise_affine
  std::int64_t embed_dim = 0;  // OPT: word_embed_proj_dim
  std::int64_t bos = -1, eos = -1, pad = -1;
  std::string dtype;  // torch_dtype, "" when it does not say
  std::optional<Quantization> quantization;
};

// Reads and checks <folder>/config.json: every number bounded before it is used, an unknown model_type or activation
// or quantization refused by name (kUnsupported), what is missing or out of range kInvalidArgument, no file kNotFound.
Config read_config(const std::filesystem::path& folder);
Config parse_config(const std::string& json_text, const std::string& place);
// A published shape by name ("opt-125m", "opt-350m", "opt-1.3b", "opt-2.7b", "opt-6.7b", "opt-13b"), for benchmarks
// without a checkpoint; kNotFound with the names there are.
Config published_shape(const std::string& name);
std::vector<std::string> published_shapes();

}  // namespace ganglion::models
