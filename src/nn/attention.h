// Attention over the paged cache, and the caches themselves as state of the module.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "hlo/builder.h"
#include "hlo/composite.h"
#include "nn/rotary.h"
#include "nn/token_inputs.h"
#include "nn/weights.h"

namespace ganglion::nn {

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

// A projection by its name below the attention's scope, and where its numbers are.
struct Projection {
  std::string name;
  Stored stored = {};
};

struct Projections {
  Projection q = {"q_proj"};
  Projection k = {"k_proj"};
  Projection v = {"v_proj"};
  Projection out = {"out_proj"};
};

struct AttentionOptions {
  std::int64_t hidden = 0;
  std::int64_t heads = 0;  // all ranks together
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  bool bias = true;  // of q, k and v
  bool out_bias = true;
  std::optional<float> scale = {};  // of q . k; 1 / sqrt(head_dim) unless given
  const Rotary* rotary = nullptr;   // turns q and k; none when null
  Projections projections = {};
};

// q, k and v kept as one tensor `name`: all of q, then all of k, then all of v.
Projections joined_projections(const std::string& name, const AttentionOptions& sizes, bool transposed);
// q, k and v kept as one tensor `name`: for each cached head its query heads, then its k, then its v.
Projections grouped_projections(const std::string& name, const AttentionOptions& sizes);

// How many cached heads a rank has: its share, or, when there are fewer heads than ranks, one, which tp / kv_heads
// neighbours have as well.
std::int64_t kv_heads_of_rank(std::int64_t kv_heads, int tp);

// x f32[T, hidden] to f32[T, hidden], the same on every rank. Heads are split over ranks: q, k and v by columns, the
// output by rows, so one all-reduce; cached heads fewer than ranks are repeated. K (turned) and V of the new tokens are
// written to the cache before they are read.
hlo::Value attention(const Scope& scope, const AttentionOptions& options, const TokenInputs& tokens, LayerCache& cache,
                     hlo::Value x);

}  // namespace ganglion::nn
