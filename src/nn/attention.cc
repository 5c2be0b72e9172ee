#include "nn/attention.h"

#include <fmt/core.h>

#include <cmath>

#include "hlo/composite.h"
#include "nn/linear.h"

namespace ganglion::nn {

LayerCache& Caches::add_layer() {
  const std::size_t layer = declared_.size();
  const auto declare = [&](const char* kind, DType dtype, Dims dims) {
    return builder_.state(fmt::format("{}.{}", kind, layer), hlo::Shape::array(dtype, std::move(dims)));
  };
  LayerCache cache;
  cache.k = declare("k_cache", shape_.dtype, {shape_.blocks, shape_.kv_heads, shape_.head_dim, shape_.block_size});
  cache.v = declare("v_cache", shape_.dtype, {shape_.blocks, shape_.kv_heads, shape_.block_size, shape_.head_dim});
  if (shape_.dtype == DType::kS8) {
    const Dims rows = {shape_.blocks, shape_.kv_heads, shape_.block_size};
    cache.scales = {declare("k_scale", DType::kF32, rows), declare("v_scale", DType::kF32, rows)};
  }
  declared_.push_back(cache);
  current_.push_back(cache);
  return current_.back();
}

std::vector<Caches::Written> Caches::written() const {
  std::vector<Written> out;
  for (std::size_t layer = 0; layer < declared_.size(); ++layer) {
    out.push_back({declared_[layer].k, current_[layer].k});
    out.push_back({declared_[layer].v, current_[layer].v});
    if (!declared_[layer].scales.k) continue;
    out.push_back({declared_[layer].scales.k, current_[layer].scales.k});
    out.push_back({declared_[layer].scales.v, current_[layer].scales.v});
  }
  return out;
}

namespace {

// K and V f32[T, G / tp * D] of new tokens into the cache.
void write(LayerCache& cache, hlo::Value k, hlo::Value v, hlo::Value slot) {
  if (!cache.scales.k) {
    cache.k = hlo::kv_write(cache.k, k, slot, hlo::CacheKind::kKey);
    cache.v = hlo::kv_write(cache.v, v, slot, hlo::CacheKind::kValue);
    return;
  }
  cache.k = hlo::quantized_kv_write(cache.k, k, slot, hlo::CacheKind::kKey);
  cache.v = hlo::quantized_kv_write(cache.v, v, slot, hlo::CacheKind::kValue);
  cache.scales.k = hlo::kv_scale_write(cache.scales.k, k, slot);
  cache.scales.v = hlo::kv_scale_write(cache.scales.v, v, slot);
}

}  // namespace

hlo::Value attention(const Scope& scope, const AttentionOptions& options, const TokenInputs& tokens, LayerCache& cache,
                     hlo::Value x) {
  const auto project = [&](const char* name, std::int64_t heads) {
    return linear(
        scope.at(name),
        {.in = options.hidden, .out = heads * options.head_dim, .split = Split::kColumns, .bias = options.bias}, x);
  };
  const hlo::Value q = project(options.names.q, options.heads);     // [T, H / tp * D]
  const hlo::Value k = project(options.names.k, options.kv_heads);  // [T, G / tp * D]
  const hlo::Value v = project(options.names.v, options.kv_heads);  // [T, G / tp * D]
  write(cache, k, v, tokens.slot);
  const hlo::Value mixed =
      hlo::paged_attention(q, cache.k, cache.v, tokens.block_table, tokens.sequence, tokens.position,
                           {.heads = options.heads / scope.tp(),
                            .kv_heads = options.kv_heads / scope.tp(),
                            .scale = 1.0f / std::sqrt(static_cast<float>(options.head_dim)),
                            .query_length = tokens.query_length},
                           cache.scales);
  return linear(
      scope.at(options.names.out),
      {.in = options.heads * options.head_dim, .out = options.hidden, .split = Split::kRows, .bias = options.bias},
      mixed);
}

}  // namespace ganglion::nn
