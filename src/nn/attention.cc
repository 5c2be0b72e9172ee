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

Projection part_of(const std::string& name, const char* part, std::int64_t whole_out, const RowBlocks& blocks,
                   bool transposed) {
  return {name, {.transposed = transposed, .part = part, .whole_out = whole_out, .blocks = blocks}};
}

}  // namespace

Projections joined_projections(const std::string& name, const AttentionOptions& sizes, bool transposed) {
  const std::int64_t q = sizes.heads * sizes.head_dim;
  const std::int64_t kv = sizes.kv_heads * sizes.head_dim;
  const auto part = [&](const char* label, std::int64_t offset, std::int64_t size) {
    return part_of(name, label, q + 2 * kv, {.offset = offset, .size = size}, transposed);
  };
  return {.q = part("q", 0, q), .k = part("k", q, kv), .v = part("v", q + kv, kv)};
}

Projections grouped_projections(const std::string& name, const AttentionOptions& sizes) {
  const std::int64_t d = sizes.head_dim;
  const std::int64_t q = sizes.heads / sizes.kv_heads * d;
  const std::int64_t stride = q + 2 * d;
  const auto part = [&](const char* label, std::int64_t offset, std::int64_t size) {
    return part_of(name, label, sizes.kv_heads * stride,
                   {.offset = offset, .size = size, .stride = stride, .count = sizes.kv_heads}, false);
  };
  return {.q = part("q", 0, q), .k = part("k", q, d), .v = part("v", q + d, d)};
}

std::int64_t kv_heads_of_rank(std::int64_t kv_heads, int tp) { return kv_heads > tp ? kv_heads / tp : 1; }

hlo::Value attention(const Scope& scope, const AttentionOptions& options, const TokenInputs& tokens, LayerCache& cache,
                     hlo::Value x) {
  const auto project = [&](const Projection& projection, std::int64_t heads) {
    return linear(scope.at(projection.name),
                  {.in = options.hidden,
                   .out = heads * options.head_dim,
                   .split = Split::kColumns,
                   .bias = options.bias,
                   .copies = heads < scope.tp() ? scope.tp() / static_cast<int>(heads) : 1,
                   .stored = projection.stored},
                  x);
  };
  hlo::Value q = project(options.projections.q, options.heads);           // [T, H / tp * D]
  hlo::Value k = project(options.projections.k, options.kv_heads);        // [T, G / tp * D]
  const hlo::Value v = project(options.projections.v, options.kv_heads);  // [T, G / tp * D]
  if (options.rotary != nullptr) {
    q = rotate(*options.rotary, options.head_dim, q);
    k = rotate(*options.rotary, options.head_dim, k);
  }
  write(cache, k, v, tokens.slot);
  const float scale = options.scale.value_or(1.0f / std::sqrt(static_cast<float>(options.head_dim)));
  const hlo::Value mixed =
      hlo::paged_attention(q, cache.k, cache.v, tokens.block_table, tokens.sequence, tokens.position,
                           {.heads = options.heads / scope.tp(),
                            .kv_heads = kv_heads_of_rank(options.kv_heads, scope.tp()),
                            .scale = scale,
                            .query_length = tokens.query_length},
                           cache.scales);
  return linear(scope.at(options.projections.out.name),
                {.in = options.heads * options.head_dim,
                 .out = options.hidden,
                 .split = Split::kRows,
                 .bias = options.out_bias,
                 .stored = options.projections.out.stored},
                mixed);
}

}  // namespace ganglion::nn
