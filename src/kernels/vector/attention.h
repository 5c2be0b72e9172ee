// Attention over the paged cache, for a vector type V. Queries that read the same cached head (neighbouring tokens of a
// sequence, heads of a group) walk it together and share its loads; every query still has its own chain of arithmetic,
// the one it has alone: scores sum over head_dim in order, the online softmax goes by tiles that start at multiples of
// the tile size, and the weighted values add up in the order of positions. Places of the cache after a query's position
// are never multiplied in, whatever they hold. Many tokens of a sequence (a prompt) take a tile of a cached head as f32
// into the first cache, and all pass over it before the next.
#pragma once

#include <cstdint>

#include "kernels/vector/math.h"
#include "kernels/vector/stored.h"

namespace ganglion::kernels {
namespace {

inline constexpr std::int64_t kAttentionTile = 64;  // positions, or one block when blocks are longer

inline std::int64_t attention_tile(std::int64_t block_size) noexcept {
  return block_size >= kAttentionTile ? block_size : kAttentionTile / block_size * block_size;
}

// kMostRows queries at a time; kSums accumulators fit in the registers.
template <class V, Storage S, int kMostRows, int kSums>
struct Attention {
  using Reg = typename V::Reg;
  using E = Elements<V, S>;
  using Type = typename E::Type;

  static constexpr std::int64_t kStrip = 16;  // positions: block_size is a multiple of it
  static constexpr int kTogether = 16;        // queries of one token in turn
  static constexpr int kFewRows = 4;          // so few wait for memory; more for the multipliers
  static constexpr int kMany = 192;           // queries that pass over a tile in f32
  static constexpr int kStripVectors = static_cast<int>(kStrip / V::kLanes);

  struct Query {
    const float* q;     // [head_dim]
    float* out;         // [head_dim]
    float* weights;     // [tile]
    float* sums;        // [head_dim rounded up to a vector]
    std::int64_t seen;  // positions 0..seen-1
    float top;          // of the scores so far
    float total;        // of the weights so far
    float shrink;       // what the present tile multiplies sums by
  };

  // Where the walk is: one cached head of one sequence, read as it is stored.
  struct Walk {
    using Elements = E;
    static constexpr bool kPrefetched = true;
    const AttentionArgs& args;
    const std::int32_t* blocks;
    std::int64_t kv_head;
    std::int64_t end = 0;                                    // positions before it are seen by a query of the group
    std::int64_t first_head = kv_head, last_head = kv_head;  // that take turns at every tile
    std::int64_t shift = 0;

    std::int64_t rows(std::int64_t position) const noexcept {  // before the block's
      return (blocks[position / args.block_size] * args.kv_heads + kv_head) * args.block_size;
    }
    std::int64_t block(std::int64_t position) const noexcept { return rows(position) * args.head_dim; }
    // Of s8: [kStrip] from that position on.
    const float* scales(const float* all, std::int64_t position) const noexcept {
      return all + rows(position) + position % args.block_size;
    }
    const Type* keys(std::int64_t position) const noexcept {  // [head_dim, block_size] from that position on
      return static_cast<const Type*>(args.k_cache) + block(position) + position % args.block_size;
    }
    const Type* values(std::int64_t position) const noexcept {  // [kStrip, head_dim]
      return static_cast<const Type*>(args.v_cache) + block(position) + position % args.block_size * args.head_dim;
    }
    std::int64_t key_stride() const noexcept { return args.block_size; }
    // What will be read when this tile of this head is done, to be prefetched: the next head's, else the first one's
    // next tile. The block table leads all over memory, where no hardware prefetcher follows.
    Walk after() const noexcept {
      Walk out = *this;
      if (kv_head < last_head) {
        ++out.kv_head;
      } else {
        out.kv_head = first_head;
        out.shift = attention_tile(args.block_size);
      }
      return out;
    }
    // Past the end, this tile's again.
    std::int64_t later(std::int64_t position) const noexcept {
      return position + shift < end ? position + shift : position;
    }
  };

  // A tile of it as f32, without the scales of s8.
  struct Near {
    using Elements = kernels::Elements<V, Storage::kF32>;
    static constexpr bool kPrefetched = false;
    const AttentionArgs& args;
    const Walk& walk;
    float* k;  // [head_dim, tile]
    float* v;  // [tile, head_dim]
    std::int64_t begin = 0;
    std::int64_t end = 0;

    const float* scales(const float* all, std::int64_t position) const noexcept { return walk.scales(all, position); }
    const float* keys(std::int64_t position) const noexcept { return k + (position - begin); }
    const float* values(std::int64_t position) const noexcept { return v + (position - begin) * args.head_dim; }
    std::int64_t key_stride() const noexcept { return attention_tile(args.block_size); }
    const Near& after() const noexcept { return *this; }
    std::int64_t later(std::int64_t position) const noexcept { return position; }

    // Brings positions [at, at + tile) here, as far as the walk goes.
    void fill(std::int64_t at) noexcept {
      const std::int64_t tile = attention_tile(args.block_size), dim = args.head_dim;
      begin = at;
      end = walk.end;
      for (std::int64_t strip = 0; strip < tile && at + strip < end; strip += kStrip) {
        const Type* from = walk.keys(at + strip);
        for (std::int64_t d = 0; d < dim; ++d, from += args.block_size) {
          for (int lane = 0; lane < kStrip; lane += V::kLanes)
            V::store(k + d * tile + strip + lane, E::load(from + lane));
        }
        const Type* rows = walk.values(at + strip);
        float* to = v + strip * dim;
        std::int64_t i = 0;
        for (; i + V::kLanes <= kStrip * dim; i += V::kLanes) V::store(to + i, E::load(rows + i));
      }
    }
  };

  static std::int64_t clamp(std::int64_t x, std::int64_t low, std::int64_t high) noexcept {
    return x < low ? low : x > high ? high : x;
  }
  static std::int64_t padded(std::int64_t head_dim) noexcept {
    return (head_dim + V::kLanes - 1) / V::kLanes * V::kLanes;
  }

  // weights[r][0 .. strips * kStrip) = q . k for the strips at `position`.
  template <int rows, int strips, class Source>
  static void score(const Source& walk, Query* queries, std::int64_t position, std::int64_t at) noexcept {
    using From = typename Source::Elements;
    const typename From::Type* keys[strips];
    const typename From::Type* later[strips];
    const std::int64_t stride = walk.key_stride();
    const auto& after = walk.after();
    for (int s = 0; s < strips; ++s) {
      keys[s] = walk.keys(position + s * kStrip);
      later[s] = after.keys(after.later(position + s * kStrip));
    }
    Reg sums[rows][strips][kStripVectors];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
      for (int s = 0; s < strips; ++s) {
#pragma GCC unroll 2
        for (int v = 0; v < kStripVectors; ++v) sums[r][s][v] = V::zero();
      }
    }
    for (std::int64_t d = 0; d < walk.args.head_dim; ++d) {
#pragma GCC unroll 8
      for (int s = 0; s < strips; ++s) {
        if constexpr (Source::kPrefetched && rows <= kFewRows) __builtin_prefetch(later[s] + d * stride, 0, 2);
#pragma GCC unroll 2
        for (int v = 0; v < kStripVectors; ++v) {
          const Reg key = From::load(keys[s] + d * stride + v * V::kLanes);
#pragma GCC unroll 8
          for (int r = 0; r < rows; ++r) sums[r][s][v] = V::fma(V::all_of(queries[r].q + d), key, sums[r][s][v]);
        }
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
      for (int s = 0; s < strips; ++s) {
#pragma GCC unroll 2
        for (int v = 0; v < kStripVectors; ++v) {
          if constexpr (S == Storage::kS8) {
            const float* scales = walk.scales(walk.args.k_scale, position + s * kStrip) + v * V::kLanes;
            sums[r][s][v] = V::mul(sums[r][s][v], V::load(scales));
          }
          V::store(queries[r].weights + at + s * kStrip + v * V::kLanes, sums[r][s][v]);
        }
      }
    }
  }

  // Scores to weights exp(score - top), the tops, the totals and the shrinks brought up to date. Places from `seen` on
  // weigh nothing.
  template <int rows>
  static void weigh(Query* queries, std::int64_t begin, std::int64_t tile, float scale) noexcept {
    const Reg lowest = V::all(-__builtin_inff());
    alignas(64) float fallen[V::kLanes] = {};  // by what the tops change; the shrinks are taken together
    static_assert(rows <= V::kLanes);
    for (int r = 0; r < rows; ++r) {
      Query& query = queries[r];
      Reg tops = lowest;  // NaN scores are dropped here; their weights are NaN all the same
      const std::int64_t seen = clamp(query.seen - begin, 0, tile), whole = seen / V::kLanes * V::kLanes;
#pragma GCC unroll 4
      for (std::int64_t i = 0; i < whole; i += V::kLanes) {
        const Reg score = V::mul(V::load(query.weights + i), V::all(scale));
        V::store(query.weights + i, score);
        tops = V::max(score, tops);
      }
      for (std::int64_t i = whole; i < tile; i += V::kLanes) {
        const Reg score = V::mul(V::load(query.weights + i), V::all(scale));
        const Reg masked = V::select(V::first(seen - i), score, lowest);
        V::store(query.weights + i, masked);
        tops = V::max(masked, tops);
      }
      const float tile_top = V::reduce_max(tops);
      const float top = tile_top > query.top ? tile_top : query.top;
      fallen[r] = query.top - top;
      query.top = top;
    }
    V::store(fallen, Math<V>::exp(V::load(fallen)));
    for (int r = 0; r < rows; ++r) {
      Query& query = queries[r];
      Reg sums = V::zero();
#pragma GCC unroll 4
      for (std::int64_t i = 0; i < tile; i += V::kLanes) {
        const Reg weight = Math<V>::exp(V::sub(V::load(query.weights + i), V::all(query.top)));
        V::store(query.weights + i, weight);
        sums = V::add(sums, weight);
      }
      query.shrink = fallen[r];
      query.total = query.total * query.shrink + V::reduce_add(sums);
    }
  }

  // The weights of a tile times the scales of the values they are for.
  template <class Source>
  static void scale_weights(const Source& walk, Query& query, std::int64_t begin, std::int64_t count) noexcept {
    for (std::int64_t strip = 0; strip < count; strip += kStrip) {
      const float* scales = walk.scales(walk.args.v_scale, begin + strip);
      for (std::int64_t i = 0; i < kStrip; i += V::kLanes) {
        float* weights = query.weights + strip + i;
        V::store(weights, V::mul(V::load(weights), V::load(scales + i)));
      }
    }
  }

  // sums[r][d ..] = shrink * sums[r][d ..] + the sum of weights[r][p] * values[p, d ..] for p in [first, last) of the
  // tile, for `vectors` vectors, of which the last has `lanes` lanes.
  template <int rows, int vectors, bool whole, class Source>
  static void add_values(const Source& walk, Query* queries, std::int64_t begin, std::int64_t first, std::int64_t last,
                         std::int64_t d, std::int64_t lanes) noexcept {
    using From = typename Source::Elements;
    const auto& after = walk.after();
    Reg sums[rows][vectors];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) {
        sums[r][v] = V::mul(V::load(queries[r].sums + d + v * V::kLanes), V::all(queries[r].shrink));
      }
    }
    for (std::int64_t strip = first / kStrip * kStrip; strip < last; strip += kStrip) {
      const std::int64_t from = strip < first ? first - strip : 0;
      const std::int64_t to = last - strip < kStrip ? last - strip : kStrip;
      const auto* values = walk.values(begin + strip) + d;
      const auto* later = after.values(after.later(begin + strip)) + d;
      for (std::int64_t p = from; p < to; ++p) {
        Reg value[vectors];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) {
          if constexpr (Source::kPrefetched && rows <= kFewRows) {
            if (v * V::kLanes * sizeof(Type) % 64 == 0)
              __builtin_prefetch(later + p * walk.args.head_dim + v * V::kLanes, 0, 2);
          }
          const auto* place = values + p * walk.args.head_dim + v * V::kLanes;
          value[v] = whole ? From::load(place) : From::load_first(place, lanes);
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
          const Reg weight = V::all_of(queries[r].weights + strip + p);
#pragma GCC unroll 8
          for (int v = 0; v < vectors; ++v) sums[r][v] = V::fma(weight, value[v], sums[r][v]);
        }
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) V::store(queries[r].sums + d + v * V::kLanes, sums[r][v]);
    }
  }

  template <int rows, class Source>
  static void add_tile(const Source& walk, Query* queries, std::int64_t begin, std::int64_t first,
                       std::int64_t last) noexcept {
    constexpr int kVectors = kSums / rows > 8 ? 8 : kSums / rows;
    const std::int64_t dim = walk.args.head_dim;
    std::int64_t d = 0;
    for (; d + kVectors * V::kLanes <= dim; d += kVectors * V::kLanes) {
      add_values<rows, kVectors, true>(walk, queries, begin, first, last, d, V::kLanes);
    }
    for (; d + V::kLanes <= dim; d += V::kLanes) {
      add_values<rows, 1, true>(walk, queries, begin, first, last, d, V::kLanes);
    }
    if (d < dim) add_values<rows, 1, false>(walk, queries, begin, first, last, d, dim - d);
  }

  // `rows` queries over the tile that starts at `begin`.
  template <int rows, class Source>
  static void attend(const Source& walk, Query* queries, std::int64_t begin, std::int64_t tile) noexcept {
    constexpr int kFit = kSums / (rows * kStripVectors);
    constexpr int kStrips = kFit >= 4 ? 4 : kFit >= 2 ? 2 : 1;
    const std::int64_t needed = walk.end - begin < tile ? walk.end - begin : tile;
    std::int64_t at = 0;
    for (; at + (kStrips - 1) * kStrip < needed; at += kStrips * kStrip) {
      score<rows, kStrips>(walk, queries, begin + at, at);
    }
    for (; at < needed; at += kStrip) score<rows, 1>(walk, queries, begin + at, at);

    weigh<rows>(queries, begin, tile, walk.args.scale);
    std::int64_t common = tile;
    for (int r = 0; r < rows; ++r) {
      const std::int64_t count = clamp(queries[r].seen - begin, 0, tile);
      if constexpr (S == Storage::kS8) scale_weights(walk, queries[r], begin, count);
      common = count < common ? count : common;
    }
    add_tile<rows>(walk, queries, begin, 0, common);
    for (int r = 0; r < rows; ++r) {  // the causal edge
      const std::int64_t count = clamp(queries[r].seen - begin, 0, tile);
      if (count <= common) continue;
      queries[r].shrink = 1.0f;  // done above
      add_tile<1>(walk, queries + r, begin, common, count);
    }
  }

  template <int rows = kMostRows, class Source>
  static void attend_some(const Source& walk, Query* queries, int count, std::int64_t begin,
                          std::int64_t tile) noexcept {
    if constexpr (rows > 1) {
      if (count < rows) return attend_some<rows - 1>(walk, queries, count, begin, tile);
    }
    attend<rows>(walk, queries, begin, tile);
  }

  // `count` queries, `each` for a cached head from walk's on, over the whole of what they see. Heads take turns at
  // every tile: they lie side by side in a block, so memory is read in longer pieces than one head's.
  static void attend_all(Walk walk, Query* queries, int count, int each) noexcept {
    const std::int64_t tile = attention_tile(walk.args.block_size);
    walk.last_head = walk.first_head + count / each - 1;
    for (int i = 0; i < count; ++i) walk.end = queries[i].seen > walk.end ? queries[i].seen : walk.end;
    for (std::int64_t begin = 0; begin < walk.end; begin += tile) {
      walk.kv_head = walk.first_head;
      for (int i = 0; i < count; i += each, ++walk.kv_head) attend_some(walk, queries + i, each, begin, tile);
    }
    for (int i = 0; i < count; ++i) finish(walk.args, queries[i]);
  }

  static void finish(const AttentionArgs& args, const Query& query) noexcept {
    const Reg total = V::all(query.total);
    for (std::int64_t d = 0; d < args.head_dim; d += V::kLanes) {
      const std::int64_t rest = args.head_dim - d;
      const Reg mean = V::div(V::load(query.sums + d), total);
      V::store_first(query.out + d, mean, rest < V::kLanes ? rest : V::kLanes);
    }
  }

  // Many queries for one cached head, neighbouring tokens one after another: every tile comes near once for all.
  static void attend_many(Walk walk, Query* queries, int count, float* near) noexcept {
    const std::int64_t tile = attention_tile(walk.args.block_size);
    for (int i = 0; i < count; ++i) walk.end = queries[i].seen > walk.end ? queries[i].seen : walk.end;
    Near source{walk.args, walk, near, near + tile * walk.args.head_dim};
    for (std::int64_t begin = 0; begin < walk.end; begin += tile) {
      source.fill(begin);
      for (int i = 0; i < count; i += kMostRows) {
        const int rows = count - i < kMostRows ? count - i : kMostRows;
        std::int64_t seen = 0;
        for (int r = i; r < i + rows; ++r) seen = queries[r].seen > seen ? queries[r].seen : seen;
        if (seen > begin) attend_some(source, queries + i, rows, begin, tile);
      }
    }
    for (int i = 0; i < count; ++i) finish(walk.args, queries[i]);
  }

  static std::int64_t scratch(std::int64_t head_dim, std::int64_t block_size) noexcept {
    const std::int64_t tile = attention_tile(block_size), width = padded(head_dim);
    return kMany * (tile + width) + 2 * tile * width;
  }

  static void start(const AttentionArgs& args, std::int64_t token, std::int64_t head, int index,
                    Query& query) noexcept {
    const std::int64_t tile = attention_tile(args.block_size);
    const std::int64_t width = padded(args.head_dim);
    query.q = args.q + token * args.q_stride + head * args.head_dim;
    query.out = args.out + token * args.out_stride + head * args.head_dim;
    query.weights = args.scratch + index * (tile + width);
    query.sums = query.weights + tile;
    query.seen = args.position[token] + 1;
    query.top = -__builtin_inff();
    query.total = 0.0f;
    for (std::int64_t d = 0; d < width; d += V::kLanes) V::store(query.sums + d, V::zero());
  }

  // One token: cached heads in turn, as many as there is room for.
  static void attend_token(const AttentionArgs& args, std::int64_t token, std::int64_t group) noexcept {
    const std::int32_t* blocks = args.block_table + args.sequence[token] * args.max_blocks;
    Query queries[kTogether];
    for (std::int64_t head = args.head_begin; head < args.head_end;) {
      const std::int64_t kv_head = head / group;
      // A part of a group, when the call begins, ends or must pause inside one; else whole groups.
      const std::int64_t left = clamp((kv_head + 1) * group, head, args.head_end) - head;
      const std::int64_t each = left < kMostRows ? left : kMostRows;
      std::int64_t count = each;
      if (each == group) {
        while (count + group <= kTogether && head + count + group <= args.head_end) count += group;
      }
      for (std::int64_t i = 0; i < count; ++i) start(args, token, head + i, static_cast<int>(i), queries[i]);
      attend_all({args, blocks, kv_head}, queries, static_cast<int>(count), static_cast<int>(each));
      head += count;
    }
  }

  // Tokens [begin, end) of one sequence: a cached head is walked by all of them while it is near.
  static void attend_tokens(const AttentionArgs& args, std::int64_t begin, std::int64_t end,
                            std::int64_t group) noexcept {
    const std::int32_t* blocks = args.block_table + args.sequence[begin] * args.max_blocks;
    const std::int64_t tile = attention_tile(args.block_size);
    float* near = args.scratch + kMany * (tile + padded(args.head_dim));
    const bool many = (end - begin) * group > 2 * kMostRows;
    const int most = many ? kMany : kMostRows;
    Query queries[kMany];
    int count = 0;
    for (std::int64_t kv_head = args.head_begin / group; kv_head * group < args.head_end; ++kv_head) {
      const std::int64_t first = clamp(kv_head * group, args.head_begin, args.head_end);
      const std::int64_t last = clamp((kv_head + 1) * group, args.head_begin, args.head_end);
      for (std::int64_t token = begin; token < end; ++token) {
        for (std::int64_t head = first; head < last; ++head) {
          start(args, token, head, count, queries[count]);
          ++count;
          if (count == most || (head + 1 == last && token + 1 == end)) {
            if (many) {
              attend_many({args, blocks, kv_head}, queries, count, near);
            } else {
              attend_all({args, blocks, kv_head}, queries, count, count);
            }
            count = 0;
          }
        }
      }
    }
  }

  static void run(const AttentionArgs& args) noexcept {
    const std::int64_t group = args.heads / args.kv_heads;
    for (std::int64_t begin = args.token_begin; begin < args.token_end;) {
      std::int64_t end = begin + 1;
      while (end < args.token_end && args.sequence[end] == args.sequence[begin]) ++end;
      if (end - begin == 1) {
        attend_token(args, begin, group);
      } else {
        attend_tokens(args, begin, end, group);
      }
      begin = end;
    }
  }
};

}  // namespace
}  // namespace ganglion::kernels
