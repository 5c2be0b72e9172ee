// Attention over the paged cache, and the caches themselves as state of the module.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "hlo/builder.h"
#include "hlo/composite.h"
#include "nn/weights.h"

namespace ganglion::nn {

// Which tokens a step has; the inputs of models/step.h that attention reads.
struct TokenInputs {
  hlo::Value position;            // s32[T]
  hlo::Value sequence;            // s32[T]
  hlo::Value slot;                // s32[T]
  hlo::Value block_table;         // s32[S, max_blocks]
  std::int64_t query_length = 0;  // see hlo::AttentionOptions
};

// K and V of one layer on one rank. attention() replaces the values by the written ones.
struct LayerCache {
  hlo::Value k;             // [blocks, G / tp, D, block_size]
  hlo::Value v;             // [blocks, G / tp, block_size, D]
  hlo::CacheScales scales;  // of caches in s8: f32[blocks, G / tp, block_size]
};

struct CacheShape {
  DType dtype = DType::kF32;
  std::int64_t blocks = 0;
  std::int64_t block_size = 0;
  std::int64_t kv_heads = 0;  // of the rank
  std::int64_t head_dim = 0;
};

// The caches of all layers: declared as state k_cache.0, v_cache.0, k_cache.1, ... In s8 k_scale.0 and v_scale.0 follow
// v_cache.0, and so on.
class Caches {
 public:
  Caches(hlo::Builder& builder, const CacheShape& shape) : builder_(builder), shape_(shape) {}
  Caches(const Caches&) = delete;

  // Declares the next layer's. The reference stays valid.
  LayerCache& add_layer();
  struct Written {
    hlo::Value state;   // the parameter
    hlo::Value result;  // what the step leaves in it
  };
  // K, V and, in s8, their scales of every layer, in order.
  std::vector<Written> written() const;

 private:
  hlo::Builder& builder_;
  CacheShape shape_;
  std::deque<LayerCache> declared_;
  std::deque<LayerCache> current_;
};

struct AttentionNames {
  const char* q = "q_proj";
  const char* k = "k_proj";
  const char* v = "v_proj";
  const char* out = "out_proj";
};

struct AttentionOptions {
  std::int64_t hidden = 0;
  std::int64_t heads = 0;  // all ranks together
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  bool bias = true;
  AttentionNames names = {};
};

// x f32[T, hidden] to f32[T, hidden], the same on every rank. Heads are split over ranks: q, k and v by columns, the
// output by rows, so one all-reduce. K and V of the new tokens are written to the cache before they are read.
hlo::Value attention(const Scope& scope, const AttentionOptions& options, const TokenInputs& tokens, LayerCache& cache,
                     hlo::Value x);

}  // namespace ganglion::nn
