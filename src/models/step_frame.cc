#include "models/step_frame.h"

#include "base/error.h"
#include "hlo/composite.h"

namespace ganglion::models {
namespace {

bool is_cache_type(DType dtype) { return is_float(dtype) || dtype == DType::kS8; }
bool is_weight_type(DType dtype) { return is_cache_type(dtype) || dtype == DType::kS4; }

void check(const Config& config, const StepOptions& options) {
  check_tp(config, options.tp);
  const Types& types = options.types;
  if (!is_weight_type(types.storage) || !is_cache_type(types.kv)) {
    fail(Code::kUnsupported,
         "[{}] weights in {} and a cache in {}: f32, f16, bf16, s8 and s4 are supported for weights, f32, f16, bf16 "
         "and s8 for the cache",
         config.model_type, dtype_name(types.storage), dtype_name(types.kv));
  }
  if (types.storage == DType::kS4 && types.group != 32 && types.group != 64 && types.group != 128) {
    fail(Code::kInvalidArgument, "[{}] s4 in groups of {}: 32, 64 or 128 are wanted", config.model_type, types.group);
  }
  if (types.activation != DType::kF32) {
    fail(Code::kUnsupported, "[{}] activations in {}: f32 is supported", config.model_type,
         dtype_name(types.activation));
  }
  const StepSize& size = options.size;
  for (const std::int64_t value :
       {size.tokens, size.sequences, size.logit_rows, size.blocks, size.block_size, size.max_blocks}) {
    if (value < 1)
      fail(Code::kInvalidArgument, "[{}] a step with a size of {}; at least 1 is wanted", config.model_type, value);
  }
}

// A quantized checkpoint stays as it is; asked for in floats, its floats are (the cache, and what it keeps so).
nn::MatrixTypes matrix_types(const Config& config, const Types& types) {
  if (!config.quantization) return {.storage = types.storage, .group = types.group};
  const Quantization& stored = *config.quantization;
  if (!is_float(types.storage) && types.storage != stored.storage) {
    fail(Code::kInvalidArgument, "[{}] weights in {}: the checkpoint is in {} already; ask for {} or for a float type",
         config.model_type, dtype_name(types.storage), dtype_name(stored.storage), dtype_name(stored.storage));
  }
  return {.storage = stored.storage, .group = stored.group, .stored = true};
}

nn::CacheShape cache_shape(const Config& config, const StepOptions& options) {
  check(config, options);
  return {options.types.kv, options.size.blocks, options.size.block_size,
          nn::kv_heads_of_rank(config.kv_heads, options.tp), config.head_dim};
}

bool wants_lengths(const Config& config) {
  return config.rotary && config.rotary->scaling == nn::RotaryScaling::kDynamic;
}

}  // namespace

StepFrame::StepFrame(const Config& config, const StepOptions& options, const WeightFinder& finder)
    : builder_(config.model_type + "_step"),
      weights_(builder_, finder, options.tp, matrix_types(config, options.types)),
      caches_(builder_, cache_shape(config, options)) {
  const StepSize& size = options.size;
  hlo::Value token_count;
  hlo::Value logit_count;
  if (size.bounded) {
    token_count = builder_.input("token_count", hlo::Shape::array(DType::kS32, {}));
    logit_count = builder_.input("logit_count", hlo::Shape::array(DType::kS32, {}));
  }
  const auto rows = [&](const char* name, std::int64_t count, hlo::Value actual) {
    const hlo::Shape shape = hlo::Shape::array(DType::kS32, {count});
    return size.bounded ? builder_.bounded_input(name, shape, actual) : builder_.input(name, shape);
  };
  token_ids_ = rows("token_ids", size.tokens, token_count);
  tokens_.position = rows("position", size.tokens, token_count);
  tokens_.sequence = rows("sequence", size.tokens, token_count);
  tokens_.slot = rows("slot", size.tokens, token_count);
  tokens_.block_table =
      builder_.input("block_table", hlo::Shape::array(DType::kS32, {size.sequences, size.max_blocks}));
  tokens_.query_length = size.bounded ? 0 : size.query_length;
  logit_rows_ = rows("logit_rows", size.logit_rows, logit_count);
  if (wants_lengths(config)) tokens_.length = rows("length", size.tokens, token_count);
}

hlo::Value StepFrame::wanted_rows(hlo::Value x) const { return hlo::embedding(x, logit_rows_); }

Step StepFrame::finish(hlo::Value logits) {
  std::vector<hlo::Value> outputs = {logits};
  std::vector<hlo::Builder::AliasTo> aliases;
  for (const nn::Caches::Written& cache : caches_.written()) {
    aliases.push_back({static_cast<std::int64_t>(outputs.size()), cache.state});
    outputs.push_back(cache.result);
  }
  std::vector<nn::DeclaredMatrix> matrices = weights_.take_matrices();
  return {builder_.finish(outputs, aliases), weights_.take(), static_cast<bool>(tokens_.length), std::move(matrices)};
}

}  // namespace ganglion::models
