// Storing K and V rows into the paged cache, for a vector type V.
#pragma once

#include <cstdint>

#include "kernels/vector/elementwise.h"

namespace ganglion::kernels {
namespace {

// Rows of V keep their order; rows of K are columns of their block, so a few tokens in neighbouring slots are narrowed
// to a small square first and leave it as runs.
template <class V, Storage S>
struct KvWrite {
  using E = Elements<V, S>;
  using Type = typename E::Type;
  static constexpr std::int64_t kTokens = 16;  // neighbours written together: a run of a K block
  static constexpr std::int64_t kDims = 64;

  static void transpose(const KvWriteArgs& args, std::int64_t token, std::int64_t count, std::int64_t head,
                        Type* place) noexcept {
    Type square[kTokens][kDims];
    for (std::int64_t d = 0; d < args.head_dim; d += kDims) {
      const std::int64_t dims = args.head_dim - d < kDims ? args.head_dim - d : kDims;
      for (std::int64_t t = 0; t < count; ++t) {
        from_f32<V, S>(args.rows + (token + t) * args.row_stride + head * args.head_dim + d, square[t], dims);
      }
      for (std::int64_t i = 0; i < dims; ++i) {
        Type* run = place + (d + i) * args.block_size;
        for (std::int64_t t = 0; t < count; ++t) run[t] = square[t][i];
      }
    }
  }

  static void run(const KvWriteArgs& args) noexcept {
    auto* cache = static_cast<Type*>(args.cache);
    std::int64_t count = 1;
    for (std::int64_t token = args.token_begin; token < args.token_end; token += count) {
      const std::int64_t slot = args.slot[token];
      count = 1;
      if (slot < 0) continue;
      const std::int64_t offset = slot % args.block_size;
      while (args.transposed && count < kTokens && token + count < args.token_end && offset + count < args.block_size &&
             args.slot[token + count] == slot + count) {
        ++count;
      }
      for (std::int64_t head = 0; head < args.kv_heads; ++head) {
        Type* block = cache + (slot / args.block_size * args.kv_heads + head) * args.head_dim * args.block_size;
        if (args.transposed) {
          transpose(args, token, count, head, block + offset);
        } else {
          from_f32<V, S>(args.rows + token * args.row_stride + head * args.head_dim, block + offset * args.head_dim,
                         args.head_dim);
        }
      }
    }
  }
};

}  // namespace
}  // namespace ganglion::kernels
