#include "nn/attention.h"

#include <fmt/core.h>

#include <cmath>

#include "hlo/composite.h"
#include "nn/linear.h"

namespace ganglion::nn {

LayerCache& Caches::add_layer() {
  const std::size_t layer = declared_.size();
  const auto declare = [&](const char* kind, Dims dims) {
    return builder_.state(fmt::format("{}_cache.{}", kind, layer), hlo::Shape::array(shape_.dtype, std::move(dims)));
  };
  LayerCache cache;
  cache.k = declare("k", {shape_.blocks, shape_.kv_heads, shape_.head_dim, shape_.block_size});
  cache.v = declare("v", {shape_.blocks, shape_.kv_heads, shape_.block_size, shape_.head_dim});
  declared_.push_back(cache);
  current_.push_back(cache);
  return current_.back();
}

std::vector<Caches::Written> Caches::written() const {
  std::vector<Written> out;
  for (std::size_t layer = 0; layer < declared_.size(); ++layer) {
    out.push_back({declared_[layer].k, current_[layer].k});
    out.push_back({declared_[layer].v, current_[layer].v});
  }
  return out;
}

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
  cache.k = hlo::kv_write(cache.k, k, tokens.slot, hlo::CacheKind::kKey);
  cache.v = hlo::kv_write(cache.v, v, tokens.slot, hlo::CacheKind::kValue);
  const hlo::Value mixed =
      hlo::paged_attention(q, cache.k, cache.v, tokens.block_table, tokens.sequence, tokens.position,
                           {.heads = options.heads / scope.tp(),
                            .kv_heads = options.kv_heads / scope.tp(),
                            .scale = 1.0f / std::sqrt(static_cast<float>(options.head_dim)),
                            .query_length = tokens.query_length});
  return linear(
      scope.at(options.names.out),
      {.in = options.heads * options.head_dim, .out = options.hidden, .split = Split::kRows, .bias = options.bias},
      mixed);
}

}  // namespace ganglion::nn
