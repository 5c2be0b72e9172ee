// A model folder made ready: config, tokenizer and engine, with the times it took. What server and CLI start from.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/load_report.h"
#include "models/config.h"
#include "tokenizer/tokenizer.h"

namespace ganglion::engine {

struct Model {
  std::filesystem::path folder;
  models::Config config;
  std::unique_ptr<tokenizer::Tokenizer> tokenizer;
  std::unique_ptr<Engine> engine;
  LoadReport report;
};

// Loads a Hugging Face checkpoint folder. options.types.storage decides the weights' type; `dtype` text parsing is
// parse_types below. Errors as read_config, Tokenizer::load, checkpoint::Store::open and Engine.
Model load_model(const std::filesystem::path& folder, const EngineOptions& options);

// "fp32"/"f32"/"float32", "fp16"/"f16"/"float16", "bf16"/"bfloat16": weights and cache in that type, activations f32;
// "s8"/"int8", "s4"/"int4": weights in that type, the cache in f16.
// kInvalidArgument with the names there are.
models::Types parse_types(const std::string& dtype);
// The cache's type: the names of parse_types but s4's. kInvalidArgument with the names there are.
DType parse_cache_type(const std::string& text);
// What weights are quantized to: "static_int8" (as DJL names it), "s8", "int8", "s4", "int4". kInvalidArgument.
DType parse_quantize(const std::string& text);

}  // namespace ganglion::engine
