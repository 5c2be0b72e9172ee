// Attention of a few queries to one tile of a cached head, for a vector type V: scores, weights, weighted values. Every
// query has its own chain of arithmetic, the one it has alone: a score sums over head_dim in order; the online softmax
// goes from tile to tile; weights add up in lanes, one position in V::kLanes to each, and the weighted values in the
// order of positions. Places of the cache after a query's position are never multiplied in, whatever they hold.
// Scores are in powers of two: queries come multiplied by log2(e).
#pragma once

#include <cstdint>

#include "kernels/vector/attention_source.h"
#include "kernels/vector/math.h"

namespace ganglion::kernels {
namespace {

// kMostRows queries at a time; kSums accumulators fit in the registers.
template <class V, int kMostRows, int kSums>
struct AttentionTile {
  using Reg = typename V::Reg;

  static constexpr int kStripVectors = static_cast<int>(kAttentionStrip / V::kLanes);
  static constexpr int kMostVectors = 64 / V::kLanes;  // of values at a time: a part of head_dim

  struct Query {
    const float* q;     // [head_dim], scaled
    float* weights;     // [tile]
    float* sums;        // [head_dim rounded up to a vector]
    float* totals;      // [V::kLanes], of the weights so far
    float* out;         // [head_dim]
    std::int64_t seen;  // positions 0..seen-1
  };
  // A query that passes over a tile with fewer than two others is of the only pass, since passes are alike.
  static constexpr int kPassRows = 3;

  // What a query multiplies its sums by at the present tile, and the top of its scores so far.
  struct Softmax {
    float* tops;
    float* shrinks;
  };

  static std::int64_t clamp(std::int64_t x, std::int64_t low, std::int64_t high) noexcept {
    return x < low ? low : x > high ? high : x;
  }

  // weights[r][at ..] = q . k for `strips` strips at `begin` + at.
  template <int rows, int strips, class Source>
  [[gnu::noinline]] static void score(const Source& source, const Query* queries, std::int64_t begin,
                                      std::int64_t at) noexcept {
    using From = typename Source::Stored;
    using Type = typename From::Type;
    constexpr int kDims = Source::kFarAway ? static_cast<int>(64 / (kAttentionStrip * sizeof(Type))) : 1;  // in a line
    const Type* keys[strips];
    [[maybe_unused]] const char* ahead[strips];
    const float* q[rows];
    for (int s = 0; s < strips; ++s) {
      keys[s] = source.keys(begin + at + s * kAttentionStrip);
      if constexpr (Source::kFarAway) ahead[s] = source.ahead.lines(source.args, at + s * kAttentionStrip);
    }
    for (int r = 0; r < rows; ++r) q[r] = queries[r].q;
    const std::int64_t stride = source.key_stride(), dim = source.args.head_dim;
    [[maybe_unused]] std::int64_t line_step = 0, each = 0, due = 0;
    if constexpr (Source::kFarAway) {
      line_step = source.ahead.line_step(source.args);
      each = kDims * source.ahead.passes;
      for (int s = 0; s < strips; ++s) ahead[s] += source.ahead.share_begin((dim + kDims - 1) / kDims) * line_step;
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
    for (std::int64_t d = 0; d < dim; ++d) {
      if constexpr (Source::kFarAway) {
        if (rows < kPassRows ? d % kDims == 0 : d == due) {
          due += each;
#pragma GCC unroll 8
          for (int s = 0; s < strips; ++s) {
            source.ahead.fetch(ahead[s]);
            ahead[s] += line_step;
          }
        }
      }
#pragma GCC unroll 8
      for (int s = 0; s < strips; ++s) {
#pragma GCC unroll 2
        for (int v = 0; v < kStripVectors; ++v) {
          const Reg key = From::load(keys[s] + d * stride + v * V::kLanes);
#pragma GCC unroll 8
          for (int r = 0; r < rows; ++r) sums[r][s][v] = V::fma(V::all_of(q[r] + d), key, sums[r][s][v]);
        }
      }
    }
#pragma GCC unroll 8
    for (int s = 0; s < strips; ++s) {
#pragma GCC unroll 2
      for (int v = 0; v < kStripVectors; ++v) {
        const std::int64_t place = at + s * kAttentionStrip + v * V::kLanes;
        if constexpr (Source::kScaled) {
          const Reg scales = V::load(source.scales(source.args.k_scale, begin + place));
#pragma GCC unroll 8
          for (int r = 0; r < rows; ++r) sums[r][s][v] = V::mul(sums[r][s][v], scales);
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) V::store(queries[r].weights + place, sums[r][s][v]);
      }
    }
  }

  // Scores of `count` queries to weights 2^(score - top); tops, totals and shrinks brought up to date.
  template <class Source>
  [[gnu::noinline]] static void weigh(const Source& source, const Query* queries, int count, std::int64_t begin,
                                      std::int64_t tile, const Softmax& state) noexcept {
    const Reg lowest = V::all(-__builtin_inff());
    // The shrinks first hold the tops of the tile.
    for (int i = 0; i < count; ++i) {
      const Query& query = queries[i];
      const std::int64_t seen = clamp(query.seen - begin, 0, tile), whole = seen / V::kLanes * V::kLanes;
      Reg tops = lowest;  // NaN scores are dropped here; their weights are NaN all the same
      if (whole == kAttentionTile) {
#pragma GCC unroll 8
        for (std::int64_t p = 0; p < kAttentionTile; p += V::kLanes) tops = V::max(V::load(query.weights + p), tops);
      } else {
        for (std::int64_t p = 0; p < whole; p += V::kLanes) tops = V::max(V::load(query.weights + p), tops);
        if (whole < seen) {
          const Reg masked = V::select(V::first(seen - whole), V::load(query.weights + whole), lowest);
          V::store(query.weights + whole, masked);
          tops = V::max(masked, tops);
        }
      }
      state.shrinks[i] = V::reduce_max(tops);
    }
    for (std::int64_t i = 0; i < count; i += V::kLanes) {
      const std::int64_t lanes = clamp(count - i, 0, V::kLanes);
      const Reg old = V::load_first(state.tops + i, lanes);
      const Reg top = V::max(V::load_first(state.shrinks + i, lanes), old);
      V::store_first(state.tops + i, top, lanes);
      V::store_first(state.shrinks + i, Math<V>::power_of_two(V::sub(old, top)), lanes);
    }
    for (int i = 0; i < count; ++i) {
      const Query& query = queries[i];
      const std::int64_t seen = clamp(query.seen - begin, 0, tile);
      const Reg top = V::all_of(state.tops + i);
      Reg totals = V::mul(V::load(query.totals), V::all_of(state.shrinks + i));
      const auto one = [&](std::int64_t p) noexcept {
        Reg weight = Math<V>::power_of_two(V::sub(V::load(query.weights + p), top));
        totals = V::add(totals, weight);
        if constexpr (Source::kScaled) {
          weight = V::mul(weight, V::load(source.scales(source.args.v_scale, begin + p)));
        }
        V::store(query.weights + p, weight);
      };
      if (seen == kAttentionTile) {
#pragma GCC unroll 8
        for (std::int64_t p = 0; p < kAttentionTile; p += V::kLanes) one(p);
      } else {
        for (std::int64_t p = 0; p < seen; p += V::kLanes) one(p);
      }
      V::store(query.totals, totals);
    }
  }

  // sums[r][d ..] = shrink[r] * sums[r][d ..] + the sum of weights[r][p] * values[p, d ..] for p in [first, last) of
  // the tile, for `vectors` vectors, of which the last has `lanes` lanes.
  template <int rows, int vectors, bool whole, class Source>
  [[gnu::noinline]] static void add_values(const Source& source, const Query* queries, const float* shrinks,
                                           std::int64_t begin, std::int64_t first, std::int64_t last, std::int64_t d,
                                           std::int64_t lanes) noexcept {
    using From = typename Source::Stored;
    using Type = typename From::Type;
    const std::int64_t dim = source.args.head_dim;
    const float* weights[rows];
    for (int r = 0; r < rows; ++r) weights[r] = queries[r].weights;
    Reg sums[rows][vectors];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) {
        sums[r][v] = V::mul(V::load(queries[r].sums + d + v * V::kLanes), V::all_of(shrinks + r));
      }
    }
    for (std::int64_t strip = first / kAttentionStrip * kAttentionStrip; strip < last; strip += kAttentionStrip) {
      const std::int64_t from = strip < first ? first : strip;
      const std::int64_t to = last < strip + kAttentionStrip ? last : strip + kAttentionStrip;
      const Type* values = source.values(begin + strip) + (from - strip) * dim + d;
      [[maybe_unused]] const char* ahead = nullptr;
      [[maybe_unused]] std::int64_t due = from;
      if constexpr (Source::kFarAway) {
        const std::int64_t row = from - strip + source.ahead.share_begin(kAttentionStrip);
        ahead = source.ahead.part(source.args, strip) + (row * dim + d) * sizeof(Type);
      }
      for (std::int64_t p = from; p < to; ++p, values += dim) {
        if constexpr (Source::kFarAway) {
          if (rows < kPassRows || p == due) {
            due += source.ahead.passes;
#pragma GCC unroll 8
            for (std::size_t line = 0; line < vectors * V::kLanes * sizeof(Type); line += 64) {
              source.ahead.fetch(ahead + line);
            }
            ahead += dim * static_cast<std::int64_t>(sizeof(Type));
          }
        }
        Reg value[vectors];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) {
          value[v] = whole ? From::load(values + v * V::kLanes) : From::load_first(values + v * V::kLanes, lanes);
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
          const Reg weight = V::all_of(weights[r] + p);
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
  static void add_all_values(const Source& source, const Query* queries, const float* shrinks, std::int64_t begin,
                             std::int64_t first, std::int64_t last) noexcept {
    constexpr int kFit = kSums / rows < kMostVectors ? kSums / rows : kMostVectors;
    constexpr int kVectors = kFit >= 8 ? 8 : kFit >= 4 ? 4 : 2;
    const std::int64_t dim = source.args.head_dim;
    std::int64_t d = 0;
    for (; d + kVectors * V::kLanes <= dim; d += kVectors * V::kLanes) {
      add_values<rows, kVectors, true>(source, queries, shrinks, begin, first, last, d, V::kLanes);
    }
    for (; d + V::kLanes <= dim; d += V::kLanes) {
      add_values<rows, 1, true>(source, queries, shrinks, begin, first, last, d, V::kLanes);
    }
    if (d < dim) add_values<rows, 1, false>(source, queries, shrinks, begin, first, last, d, dim - d);
  }

  // The scores of `rows` queries.
  template <int rows, class Source>
  static void score_rows(const Source& source, const Query* queries, std::int64_t begin, std::int64_t tile) noexcept {
    constexpr int kFit = kSums / (rows * kStripVectors);
    constexpr int kStrips = kFit >= 4 ? 4 : kFit >= 2 ? 2 : 1;
    std::int64_t needed = 0, at = 0;
    for (int r = 0; r < rows; ++r) needed = queries[r].seen - begin > needed ? queries[r].seen - begin : needed;
    needed = needed < tile ? needed : tile;
    for (; at + (kStrips - 1) * kAttentionStrip < needed; at += kStrips * kAttentionStrip) {
      score<rows, kStrips>(source, queries, begin, at);
    }
    for (; at < needed; at += kAttentionStrip) score<rows, 1>(source, queries, begin, at);
  }

  // The values of `rows` queries.
  template <int rows, class Source>
  static void value_rows(const Source& source, const Query* queries, float* shrinks, std::int64_t begin,
                         std::int64_t tile) noexcept {
    std::int64_t common = tile;
    for (int r = 0; r < rows; ++r) {
      const std::int64_t count = clamp(queries[r].seen - begin, 0, tile);
      common = count < common ? count : common;
    }
    add_all_values<rows>(source, queries, shrinks, begin, 0, common);
    for (int r = 0; r < rows; ++r) {  // the causal edge
      const std::int64_t count = clamp(queries[r].seen - begin, 0, tile);
      if (count <= common) continue;
      shrinks[r] = 1.0f;  // done above
      add_all_values<1>(source, queries + r, shrinks + r, begin, common, count);
    }
  }

  // The same of `rows` and fewer.
  template <int rows = kMostRows, class Source>
  static void some_scores(const Source& source, const Query* queries, int count, std::int64_t begin,
                          std::int64_t tile) noexcept {
    if constexpr (rows > 1) {
      if (count < rows) return some_scores<rows - 1>(source, queries, count, begin, tile);
    }
    score_rows<rows>(source, queries, begin, tile);
  }
  template <int rows = kMostRows, class Source>
  static void some_values(const Source& source, const Query* queries, int count, float* shrinks, std::int64_t begin,
                          std::int64_t tile) noexcept {
    if constexpr (rows > 1) {
      if (count < rows) return some_values<rows - 1>(source, queries, count, shrinks, begin, tile);
    }
    value_rows<rows>(source, queries, shrinks, begin, tile);
  }
  // Calls work(source, first, rows) for `count` queries, kMostRows and fewer at a time, as evenly as can be.
  template <class Source, class Work>
  static void for_rows(const Source& source, int count, const Work& work) noexcept {
    const int passes = (count + kMostRows - 1) / kMostRows, rows = (count + passes - 1) / passes;
    Source pass = source;
    if constexpr (Source::kFarAway) pass.ahead.passes = passes;
    for (int first = 0; first < count; first += rows) {
      work(pass, first, rows < count - first ? rows : count - first);
      if constexpr (Source::kFarAway) ++pass.ahead.pass;
    }
  }
  template <class Source>
  static void all_scores(const Source& source, const Query* queries, int count, std::int64_t begin,
                         std::int64_t tile) noexcept {
    for_rows(source, count, [&](const Source& pass, int first, int rows) noexcept {
      some_scores(pass, queries + first, rows, begin, tile);
    });
  }
  template <class Source>
  static void all_values(const Source& source, const Query* queries, int count, float* shrinks, std::int64_t begin,
                         std::int64_t tile) noexcept {
    for_rows(source, count, [&](const Source& pass, int first, int rows) noexcept {
      some_values(pass, queries + first, rows, shrinks + first, begin, tile);
    });
  }

  static void finish(const Query& query, std::int64_t head_dim) noexcept {
    const Reg total = V::all(V::reduce_add(V::load(query.totals)));
    for (std::int64_t d = 0; d < head_dim; d += V::kLanes) {
      const std::int64_t rest = head_dim - d;
      V::store_first(query.out + d, V::div(V::load(query.sums + d), total), rest < V::kLanes ? rest : V::kLanes);
    }
  }
};

}  // namespace
}  // namespace ganglion::kernels
