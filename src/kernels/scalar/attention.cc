#include <cmath>
#include <limits>

#include "kernels/scalar/half.h"
#include "kernels/scalar/kernels.h"

namespace ganglion::kernels::scalar {
namespace {

// One query row over its sequence's blocks, a block at a time. `weights` has room for block_size floats, `sums` for
// head_dim.
template <Storage S>
void attend(const AttentionArgs& args, std::int64_t token, std::int64_t head, float* weights, float* sums) noexcept {
  using Element = typename Stored<S>::Type;
  const std::int64_t dim = args.head_dim;
  const std::int64_t size = args.block_size;
  const float* q = args.q + token * args.q_stride + head * dim;
  const std::int32_t* blocks = args.block_table + args.sequence[token] * args.max_blocks;
  const std::int64_t cached_head = head / (args.heads / args.kv_heads);
  const std::int64_t seen = std::int64_t{args.position[token]} + 1;
  constexpr bool kScaled = S == Storage::kS8;

  float top = -std::numeric_limits<float>::infinity();
  float total = 0.0f;
  for (std::int64_t d = 0; d < dim; ++d) sums[d] = 0.0f;
  for (std::int64_t begin = 0; begin < seen; begin += size) {
    const std::int64_t count = seen - begin < size ? seen - begin : size;
    const std::int64_t cached = blocks[begin / size] * args.kv_heads + cached_head;
    const std::int64_t place = cached * dim * size;
    const Element* k = static_cast<const Element*>(args.k_cache) + place;  // [dim, size]
    const Element* v = static_cast<const Element*>(args.v_cache) + place;  // [size, dim]

    for (std::int64_t p = 0; p < count; ++p) weights[p] = 0.0f;
    for (std::int64_t d = 0; d < dim; ++d) {
      for (std::int64_t p = 0; p < count; ++p) weights[p] += q[d] * Stored<S>::load(k[d * size + p]);
    }
    float new_top = top;
    for (std::int64_t p = 0; p < count; ++p) {
      if constexpr (kScaled) weights[p] *= args.k_scale[cached * size + p];
      weights[p] *= args.scale;
      if (!(weights[p] <= new_top)) new_top = weights[p];  // a NaN becomes the top, and shows in the result
    }
    if (new_top != top) {  // what was summed so far was relative to the old top
      const float shrink = std::exp(top - new_top);
      total *= shrink;
      for (std::int64_t d = 0; d < dim; ++d) sums[d] *= shrink;
      top = new_top;
    }
    for (std::int64_t p = 0; p < count; ++p) {
      float weight = std::exp(weights[p] - top);
      total += weight;
      if constexpr (kScaled) weight *= args.v_scale[cached * size + p];
      for (std::int64_t d = 0; d < dim; ++d) sums[d] += weight * Stored<S>::load(v[p * dim + d]);
    }
  }
  float* out = args.out + token * args.out_stride + head * dim;
  for (std::int64_t d = 0; d < dim; ++d) out[d] = sums[d] / total;
}

}  // namespace

template <Storage S>
void attention(const AttentionArgs& args) noexcept {
  for (std::int64_t token = args.token_begin; token < args.token_end; ++token) {
    for (std::int64_t head = args.head_begin; head < args.head_end; ++head) {
      attend<S>(args, token, head, args.scratch, args.scratch + args.block_size);
    }
  }
}

std::int64_t attention_scratch(std::int64_t head_dim, std::int64_t block_size) noexcept {
  return head_dim + block_size;
}

template void attention<Storage::kF32>(const AttentionArgs&) noexcept;
template void attention<Storage::kF16>(const AttentionArgs&) noexcept;
template void attention<Storage::kBF16>(const AttentionArgs&) noexcept;
template void attention<Storage::kS8>(const AttentionArgs&) noexcept;

}  // namespace ganglion::kernels::scalar
