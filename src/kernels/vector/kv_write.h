// Storing K and V rows into the paged cache, for a vector type V.
#pragma once

#include <cstdint>

#include "kernels/vector/elementwise.h"

namespace ganglion::kernels {
namespace {

// Rows in s8: a head's part of a token's row, with its scale.
template <class V>
struct Whole {
  using Reg = typename V::Reg;

  // The largest magnitude / 127; NaN when a value is not finite.
  static float scale(const float* row, std::int64_t count) noexcept {
    Reg top = V::zero();
    Reg poison = V::zero();
    for (std::int64_t i = 0; i < count; i += V::kLanes) {
      const Reg value = V::load_first(row + i, count - i < V::kLanes ? count - i : V::kLanes);
      top = V::max(V::abs(value), top);  // a NaN is dropped here
      poison = V::add(poison, V::mul(value, V::zero()));
    }
    return V::reduce_max(top) / 127.0f + V::reduce_add(poison);
  }
  static void store(const float* row, float scale, std::int8_t* out, std::int64_t count) noexcept {
    const Reg divisor = V::all(scale == 0.0f ? 1.0f : scale);
    const Reg high = V::all(scale == 0.0f ? 0.0f : 127.0f);
    for (std::int64_t i = 0; i < count; i += V::kLanes) {
      const std::int64_t lanes = count - i < V::kLanes ? count - i : V::kLanes;
      const Reg number = V::round(V::div(V::load_first(row + i, lanes), divisor));
      V::store_first_s8(out + i, V::max(V::min(number, high), V::sub(V::zero(), high)), lanes);
    }
  }
};

// Rows of V keep their order; rows of K are columns of their block, so a few tokens in neighbouring slots are narrowed
// to a small square first and leave it as runs.
template <class V, Storage S>
struct KvWrite {
  using E = Elements<V, S>;
  using Type = typename E::Type;
  static constexpr std::int64_t kTokens = 16;  // neighbours written together: a run of a K block
  static constexpr std::int64_t kDims = 64;

  // Elements [d, d + dims) of a head's part of a token's row, as stored.
  static void narrow(const KvWriteArgs& args, std::int64_t token, std::int64_t head, std::int64_t d, Type* out,
                     std::int64_t dims) noexcept {
    const float* row = args.rows + token * args.row_stride + head * args.head_dim;
    if constexpr (S == Storage::kS8) {
      Whole<V>::store(row + d, Whole<V>::scale(row, args.head_dim), out, dims);
    } else {
      from_f32<V, S>(row + d, out, dims);
    }
  }

  static void transpose(const KvWriteArgs& args, std::int64_t token, std::int64_t count, std::int64_t head,
                        Type* place) noexcept {
    Type square[kTokens][kDims];
    for (std::int64_t d = 0; d < args.head_dim; d += kDims) {
      const std::int64_t dims = args.head_dim - d < kDims ? args.head_dim - d : kDims;
      for (std::int64_t t = 0; t < count; ++t) {
        narrow(args, token + t, head, d, square[t], dims);
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
          narrow(args, token, head, 0, block + offset * args.head_dim, args.head_dim);
        }
      }
    }
  }
};

template <class V>
struct KvScale {
  static void run(const KvWriteArgs& args) noexcept {
    auto* scales = static_cast<float*>(args.cache);
    for (std::int64_t token = args.token_begin; token < args.token_end; ++token) {
      const std::int64_t slot = args.slot[token];
      if (slot < 0) continue;
      for (std::int64_t head = 0; head < args.kv_heads; ++head) {
        const std::int64_t row = slot / args.block_size * args.kv_heads + head;
        scales[row * args.block_size + slot % args.block_size] =
            Whole<V>::scale(args.rows + token * args.row_stride + head * args.head_dim, args.head_dim);
      }
    }
  }
};

}  // namespace
}  // namespace ganglion::kernels
