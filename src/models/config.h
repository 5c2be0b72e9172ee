// What config.json says, in the terms every family shares.
#pragma once

#include <any>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "nn/activation.h"
#include "nn/rotary.h"
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
  std::optional<nn::RotaryOptions> rotary;
  std::int64_t bos = -1, eos = -1, pad = -1;  // eos: the first when there are several
  std::vector<std::int64_t> more_eos;
  std::vector<std::int32_t> eos_ids() const;  // all of them
  std::string dtype;                          // torch_dtype, "" when it does not say
  std::optional<Quantization> quantization;
  std::any own;  // what only this family has: the struct in its header (OptConfig, ...)
};

// Reads and checks <folder>/config.json: every number bounded before it is used, an unknown model_type, activation,
// quantization or field that would change the mathematics refused by name (kUnsupported), what is missing or out of
// range kInvalidArgument, no file kNotFound.
Config read_config(const std::filesystem::path& folder);
Config parse_config(const std::string& json_text, const std::string& place);
// A published shape by name ("opt-125m", "gpt2-xl", "llama-3-8b"), for benchmarks without a checkpoint; kNotFound with
// the names there are.
Config published_shape(const std::string& name);
std::vector<std::string> published_shapes();

}  // namespace ganglion::models
