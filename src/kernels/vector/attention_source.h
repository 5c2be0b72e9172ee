// Where attention finds the keys and values of a cached head: in the paged cache as they are stored, or in a copy of a
// tile of it as f32, for a vector type V. Both have the same shape to those who read them: strips of kStrip positions.
#pragma once

#include <cstdint>

#include "kernels/vector/stored.h"

namespace ganglion::kernels {
namespace {

inline constexpr std::int64_t kAttentionTile = 64;   // positions, or one block when blocks are longer
inline constexpr std::int64_t kAttentionStrip = 16;  // positions: block_size is a multiple of it

inline std::int64_t attention_tile(std::int64_t block_size) noexcept {
  return block_size >= kAttentionTile ? block_size : kAttentionTile / block_size * block_size;
}

// Cached rows of one head of one sequence before those of position p's block.
inline std::int64_t rows_before_block(const AttentionArgs& args, const std::int32_t* blocks, std::int64_t kv_head,
                                      std::int64_t p) noexcept {
  return (blocks[p / args.block_size] * args.kv_heads + kv_head) * args.block_size;
}

// What will be read after the present tile of K or V, to be prefetched meanwhile: the block table leads all over
// memory, where no hardware prefetcher follows. A tile of a head is whole blocks, each one piece of memory in K and V.
template <Storage S>
struct Ahead {
  static constexpr std::int64_t kElement = static_cast<std::int64_t>(storage_size(S));
  static constexpr std::int64_t kLine = 64;  // bytes

  const void* cache;  // K or V
  const std::int32_t* blocks;
  std::int64_t kv_head;
  std::int64_t begin;  // of the tile
  std::int64_t end;    // of what will be read; past it, the first strip again
  // Of as many passes over the present tile, each of which asks for a share, this one.
  int pass = 0;
  int passes = 1;

  // Of `count` lines or rows.
  std::int64_t share_begin(std::int64_t count) const noexcept {
    return pass == 0 ? 0 : pass * ((count + passes - 1) / passes);
  }
  // The part of it that a strip of the present tile brings, kAttentionStrip * head_dim elements in one piece: where V
  // is read, rows after rows.
  const char* part(const AttentionArgs& args, std::int64_t strip) const noexcept {
    const std::int64_t p = begin + strip < end ? begin + strip : begin;
    const std::int64_t row = rows_before_block(args, blocks, kv_head, p) + p % args.block_size;
    return static_cast<const char*>(cache) + row * args.head_dim * kElement;
  }
  // As many lines, line_step() apart: where K is read, all strips of a block at once. So lines are asked for in the
  // order of memory, as hardware prefetchers like it.
  const char* lines(const AttentionArgs& args, std::int64_t strip) const noexcept {
    const std::int64_t p = begin + strip < end ? begin + strip : begin;
    const std::int64_t row = rows_before_block(args, blocks, kv_head, p);
    return static_cast<const char*>(cache) + row * args.head_dim * kElement +
           p % args.block_size / kAttentionStrip * kLine;
  }
  static std::int64_t line_step(const AttentionArgs& args) noexcept {
    return args.block_size / kAttentionStrip * kLine;
  }
  void fetch_part(const AttentionArgs& args, std::int64_t strip) const noexcept {
    const char* from = part(args, strip);
    for (std::int64_t at = 0; at < kAttentionStrip * args.head_dim * kElement; at += kLine) fetch(from + at);
  }
  static void fetch(const char* place) noexcept { __builtin_prefetch(place, 0, 2); }
};

// One cached head of one sequence, read as it is stored.
template <class V, Storage S>
struct CachedHead {
  using Stored = Elements<V, S>;
  using Type = typename Stored::Type;
  static constexpr bool kScaled = S == Storage::kS8;
  static constexpr bool kFarAway = true;

  const AttentionArgs& args;
  const std::int32_t* blocks;
  std::int64_t kv_head;
  Ahead<S> ahead{};

  const float* scales(const float* all, std::int64_t p) const noexcept {  // [kAttentionStrip] from that position on
    return all + rows_before_block(args, blocks, kv_head, p) + p % args.block_size;
  }
  const Type* keys(std::int64_t p) const noexcept {  // [head_dim, key_stride()] from that position on
    return static_cast<const Type*>(args.k_cache) + rows_before_block(args, blocks, kv_head, p) * args.head_dim +
           p % args.block_size;
  }
  const Type* values(std::int64_t p) const noexcept {  // [kAttentionStrip, head_dim]
    return static_cast<const Type*>(args.v_cache) +
           (rows_before_block(args, blocks, kv_head, p) + p % args.block_size) * args.head_dim;
  }
  std::int64_t key_stride() const noexcept { return args.block_size; }
};

// A tile of it as f32, without the scales of s8.
template <class V, Storage S>
struct NearTile {
  using Stored = Elements<V, Storage::kF32>;
  static constexpr bool kScaled = S == Storage::kS8;
  static constexpr bool kFarAway = false;

  const CachedHead<V, S>& head;
  float* k;  // [head_dim, tile]
  float* v;  // [tile, head_dim]
  const AttentionArgs& args = head.args;
  std::int64_t begin = 0;

  static std::int64_t floats(std::int64_t head_dim, std::int64_t block_size) noexcept {
    return 2 * attention_tile(block_size) * head_dim;
  }

  const float* scales(const float* all, std::int64_t p) const noexcept { return head.scales(all, p); }
  const float* keys(std::int64_t p) const noexcept { return k + (p - begin); }
  const float* values(std::int64_t p) const noexcept { return v + (p - begin) * args.head_dim; }
  std::int64_t key_stride() const noexcept { return attention_tile(args.block_size); }

  // Brings positions [at, at + tile) here, as far as `end`.
  void fill(std::int64_t at, std::int64_t end) noexcept {
    using From = Elements<V, S>;
    const std::int64_t tile = attention_tile(args.block_size), dim = args.head_dim;
    begin = at;
    for (std::int64_t strip = 0; strip < tile && at + strip < end; strip += kAttentionStrip) {
      const auto* from = head.keys(at + strip);
      for (std::int64_t d = 0; d < dim; ++d, from += args.block_size) {
        for (std::int64_t lane = 0; lane < kAttentionStrip; lane += V::kLanes)
          V::store(k + d * tile + strip + lane, From::load(from + lane));
      }
      const auto* rows = head.values(at + strip);
      float* to = v + strip * dim;
      for (std::int64_t i = 0; i < kAttentionStrip * dim; i += V::kLanes) V::store(to + i, From::load(rows + i));
    }
  }
};

}  // namespace
}  // namespace ganglion::kernels
