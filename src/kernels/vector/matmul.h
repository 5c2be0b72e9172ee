// Matmul with packed weights, for a vector type V. One order of arithmetic for every shape: an output element is one
// chain of fused multiply-adds over k, whatever walks around it.
//
// Three walks, by the number of rows:
//   - up to a tile (kTile rows): the panels stream by once, straight from memory into the accumulators, several panels
//     side by side when the rows are few, so that enough independent chains are under way;
//   - up to kDirectRows: a panel is taken in slices of kDepth steps that stay in the L1 cache (widened to f32 there if
//     stored in 16 bits) while every tile of rows passes over them; the partial sums wait in `sums`;
//   - more rows: the same, with the rows' part of x copied together, and several panels for each copy.
#pragma once

#include <cstdint>

#include "kernels/vector/math.h"
#include "kernels/vector/stored.h"

namespace ganglion::kernels {
namespace {

// The inner loop over a slice of a panel in f32, for any number of rows.
template <class V, std::int64_t kTile, std::int64_t kDepth>
struct Tiles {
  using Reg = typename V::Reg;
  struct Slice {
    const float* weights;   // [depth, kWidth]
    std::int64_t depth;     // at most kDepth
    bool first;             // of k: sums start at zero
    const char* next;       // what will be read from memory after this slice, and is prefetched meanwhile
    std::int64_t next_row;  // its bytes a step of k
  };
  using Function = void (*)(const float*, std::int64_t, const Slice&, float*, const char*, std::int64_t) noexcept;
  static constexpr std::int64_t kVectors = 2;  // in a panel's width
  static constexpr std::int64_t kWidth = kVectors * V::kLanes;

  // sums[r, :] += x[r, 0..depth) * weights[0..depth, :] for the rows of a tile. Rows of x are kDepth apart when copied
  // together, else x_stride; then every step prefetches one line, `step` bytes after the one before. (With many rows
  // the multipliers are the limit, and a prefetch costs more than it brings.)
  template <std::int64_t rows, bool copied>
  static void tile(const float* x, std::int64_t x_stride, const Slice& slice, float* sums,
                   [[maybe_unused]] const char* ahead, [[maybe_unused]] std::int64_t step) noexcept {
    const float* weights = slice.weights;
    const std::int64_t depth = slice.depth;
    const std::int64_t stride = copied ? kDepth : x_stride;
    Reg local[rows][kVectors];
#pragma GCC unroll 16
    for (std::int64_t r = 0; r < rows; ++r) {
      local[r][0] = slice.first ? V::zero() : V::load(sums + r * kWidth);
      local[r][1] = slice.first ? V::zero() : V::load(sums + r * kWidth + V::kLanes);
    }
    for (std::int64_t i = 0; i < depth; ++i) {
      if constexpr (!copied) {
        __builtin_prefetch(ahead);
        ahead += step;
      }
      const Reg w0 = V::load(weights + i * kWidth);
      const Reg w1 = V::load(weights + i * kWidth + V::kLanes);
#pragma GCC unroll 16
      for (std::int64_t r = 0; r < rows; ++r) {
        const Reg value = V::all_of(x + r * stride + i);
        local[r][0] = V::fma(value, w0, local[r][0]);
        local[r][1] = V::fma(value, w1, local[r][1]);
      }
    }
#pragma GCC unroll 16
    for (std::int64_t r = 0; r < rows; ++r) {
      V::store(sums + r * kWidth, local[r][0]);
      V::store(sums + r * kWidth + V::kLanes, local[r][1]);
    }
  }

  // The instance for a number of rows, 1 <= rows <= kTile.
  template <bool copied, std::int64_t rows = kTile>
  static Function tile_for(std::int64_t count) noexcept {
    if constexpr (rows > 1) {
      if (count < rows) return tile_for<copied, rows - 1>(count);
    }
    return tile<rows, copied>;
  }
  // sums [rows, kWidth] += x [rows, depth] * weights [depth, kWidth], in tiles as equal as can be: a tile of few rows
  // has too few chains to keep the multipliers busy.
  template <bool copied>
  static void all(const float* x, std::int64_t x_stride, std::int64_t rows, const Slice& slice, float* sums) noexcept {
    const std::int64_t stride = copied ? kDepth : x_stride;
    const std::int64_t count = (rows + kTile - 1) / kTile;
    const std::int64_t height = rows / count;
    const std::int64_t taller = rows % count;  // this many tiles have one row more
    const std::int64_t step = slice.next_row < 64 ? slice.next_row : 64;
    std::int64_t ahead = 0;
    std::int64_t row = 0;
    for (std::int64_t t = 0; t < count; ++t) {
      const std::int64_t tall = t < taller ? height + 1 : height;
      const bool more = ahead < slice.next_row * slice.depth;
      tile_for<copied>(tall)(x + row * stride, stride, slice, sums + row * kWidth, slice.next + (more ? ahead : 0),
                             more ? step : 0);
      ahead += step * slice.depth;
      row += tall;
    }
  }
};

// kTile_ rows of two vectors of sums fit in the registers beside what they are multiplied from.
template <class V, Storage S, std::int64_t kTile_, std::int64_t kDepth_>
struct Matmul {
  using Reg = typename V::Reg;
  using E = Elements<V, S>;
  using Type = typename E::Type;
  using T = Tiles<V, kTile_, kDepth_>;

  static constexpr std::int64_t kVectors = T::kVectors;
  static constexpr std::int64_t kWidth = T::kWidth;
  static constexpr std::int64_t kRowBytes =
      kWidth * static_cast<std::int64_t>(sizeof(Type));  // of a panel, a step of k
  static constexpr std::int64_t kTile = kTile_;
  static constexpr std::int64_t kDepth = kDepth_;
  static constexpr std::int64_t kDirectRows = 4 * kTile;
  static constexpr std::int64_t kRows = 120 / kTile * kTile;  // of a copied part of x: with `sums` a quarter of L2
  static constexpr std::int64_t kPanels = 8;                  // that pass over it
  static constexpr std::int64_t kAhead = 1024;                // bytes a stream is prefetched ahead

  static std::int64_t smaller(std::int64_t a, std::int64_t b) noexcept { return a < b ? a : b; }

  // Panels side by side for a number of rows, at most the registers of a tile. Two give four chains, enough to keep up
  // with memory; four were measured to read memory at half the speed of one stream (EPYC, Zen 4).
  static constexpr std::int64_t panels_beside(std::int64_t rows) noexcept {
    const std::int64_t fit = kTile / rows;
    return fit > 2 ? 2 : fit;
  }

  // Bias, activation and residual on a vector of finished sums, and the store of those lanes that exist.
  static void finish(const MatmulArgs& args, std::int64_t row, std::int64_t n, Reg sum) noexcept {
    const std::int64_t count = smaller(args.n_end - n, V::kLanes);
    if (count <= 0) return;
    const std::int64_t at = row * args.out_stride + n;
    if (args.bias != nullptr) sum = V::add(sum, V::load_first(args.bias + n, count));
    if (args.activation != Activation::kNone) sum = Math<V>::activate(args.activation, sum);
    if (args.residual != nullptr) sum = V::add(sum, V::load_first(args.residual + at, count));
    if (count == V::kLanes) {
      V::store(args.out + at, sum);
    } else {
      V::store_first(args.out + at, sum, count);
    }
  }

  // Rows [row, row + rows) of kBeside panels from column n on, over the whole of k.
  template <std::int64_t rows, std::int64_t kBeside>
  static void stream(const MatmulArgs& args, std::int64_t row, std::int64_t n) noexcept {
    const float* x = args.x + row * args.x_stride;
    const std::int64_t panel_size = args.k * kWidth;
    const Type* panel = static_cast<const Type*>(args.panels) + n * args.k;
    Reg sums[kBeside][rows][kVectors];
#pragma GCC unroll 8
    for (std::int64_t p = 0; p < kBeside; ++p) {
#pragma GCC unroll 16
      for (std::int64_t r = 0; r < rows; ++r) sums[p][r][0] = sums[p][r][1] = V::zero();
    }
    for (std::int64_t i = 0; i < args.k; ++i) {
#pragma GCC unroll 8
      for (std::int64_t p = 0; p < kBeside; ++p) {
        const Type* weights = panel + p * panel_size + i * kWidth;
        const char* ahead = reinterpret_cast<const char*>(weights) + kAhead;
#pragma GCC unroll 2
        for (std::int64_t line = 0; line < kRowBytes; line += 64) {
          __builtin_prefetch(ahead + line);
        }
        const Reg w0 = E::load(weights);
        const Reg w1 = E::load(weights + V::kLanes);
#pragma GCC unroll 16
        for (std::int64_t r = 0; r < rows; ++r) {
          const Reg value = V::all_of(x + r * args.x_stride + i);
          sums[p][r][0] = V::fma(value, w0, sums[p][r][0]);
          sums[p][r][1] = V::fma(value, w1, sums[p][r][1]);
        }
      }
    }
#pragma GCC unroll 8
    for (std::int64_t p = 0; p < kBeside; ++p) {
#pragma GCC unroll 16
      for (std::int64_t r = 0; r < rows; ++r) {
        finish(args, row + r, n + p * kWidth, sums[p][r][0]);
        finish(args, row + r, n + p * kWidth + V::kLanes, sums[p][r][1]);
      }
    }
  }

  template <std::int64_t rows>
  static void stream_all(const MatmulArgs& args) noexcept {
    constexpr std::int64_t kBeside = panels_beside(rows);
    std::int64_t n = args.n_begin;
    for (; n + kBeside * kWidth <= args.n_end; n += kBeside * kWidth) stream<rows, kBeside>(args, 0, n);
    for (; n < args.n_end; n += kWidth) stream<rows, 1>(args, 0, n);
  }

  using StreamFunction = void (*)(const MatmulArgs&) noexcept;

  // The instance for a number of rows, 1 <= rows <= kTile.
  template <std::int64_t rows = kTile>
  static StreamFunction stream_for(std::int64_t count) noexcept {
    if constexpr (rows > 1) {
      if (count < rows) return stream_for<rows - 1>(count);
    }
    return stream_all<rows>;
  }

  // A slice of a panel as f32: itself, or widened into `room`.
  static const float* slice(const Type* weights, std::int64_t depth, float* room) noexcept {
    if constexpr (S == Storage::kF32) {
      return weights;
    } else {
      for (std::int64_t i = 0; i < depth * kWidth; i += V::kLanes) {
        V::store(room + i, E::load(weights + i));
      }
      return room;
    }
  }

  static void finish_all(const MatmulArgs& args, std::int64_t row, std::int64_t rows, std::int64_t n,
                         const float* sums) noexcept {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t v = 0; v < kWidth; v += V::kLanes) finish(args, row + r, n + v, V::load(sums + r * kWidth + v));
    }
  }

  // rows <= kDirectRows, x read where it is.
  static void direct(const MatmulArgs& args) noexcept {
    alignas(64) float room[S == Storage::kF32 ? 1 : kDepth * kWidth];
    alignas(64) float sums[kDirectRows * kWidth];
    for (std::int64_t n = args.n_begin; n < args.n_end; n += kWidth) {
      const Type* panel = static_cast<const Type*>(args.panels) + n * args.k;
      for (std::int64_t k = 0; k < args.k; k += kDepth) {
        const std::int64_t depth = smaller(kDepth, args.k - k);
        const Type* weights = panel + k * kWidth;
        T::template all<false>(args.x + k, args.x_stride, args.rows,
                               {.weights = slice(weights, depth, room),
                                .depth = depth,
                                .first = k == 0,
                                .next = reinterpret_cast<const char*>(weights + depth * kWidth),
                                .next_row = kRowBytes},
                               sums);
      }
      finish_all(args, 0, args.rows, n, sums);
    }
  }

  // Any number of rows. The residual may be out: nothing is written there before it is finished.
  static void blocked(const MatmulArgs& args) noexcept {
    alignas(64) float room[S == Storage::kF32 ? 1 : kDepth * kWidth];
    alignas(64) float x[kRows * kDepth];
    alignas(64) float sums[kPanels * kRows * kWidth];
    for (std::int64_t row = 0; row < args.rows; row += kRows) {
      const std::int64_t rows = smaller(kRows, args.rows - row);
      for (std::int64_t begin = args.n_begin; begin < args.n_end; begin += kPanels * kWidth) {
        const std::int64_t end = smaller(args.n_end, begin + kPanels * kWidth);
        for (std::int64_t k = 0; k < args.k; k += kDepth) {
          const std::int64_t depth = smaller(kDepth, args.k - k);
          for (std::int64_t r = 0; r < rows; ++r) {
            const float* from = args.x + (row + r) * args.x_stride + k;
            std::int64_t i = 0;
            for (; i + V::kLanes <= depth; i += V::kLanes) V::store(x + r * kDepth + i, V::load(from + i));
            if (i < depth) V::store_first(x + r * kDepth + i, V::load_first(from + i, depth - i), depth - i);
          }
          for (std::int64_t n = begin; n < end; n += kWidth) {
            const Type* panel = static_cast<const Type*>(args.panels) + n * args.k;
            const Type* weights = panel + k * kWidth;
            T::template all<true>(x, kDepth, rows,
                                  {.weights = slice(weights, depth, room),
                                   .depth = depth,
                                   .first = k == 0,
                                   .next = reinterpret_cast<const char*>(weights + args.k * kWidth),
                                   .next_row = kRowBytes},
                                  sums + (n - begin) * kRows);
          }
        }
        for (std::int64_t n = begin; n < end; n += kWidth) {
          finish_all(args, row, rows, n, sums + (n - begin) * kRows);
        }
      }
    }
  }

  static void run(const MatmulArgs& args) noexcept {
    if (args.rows <= 0) return;
    if (args.rows <= kTile || args.k == 0) {
      MatmulArgs part = args;
      for (std::int64_t row = 0; row < args.rows; row += kTile) {
        part.rows = smaller(kTile, args.rows - row);
        part.x = args.x + row * args.x_stride;
        part.out = args.out + row * args.out_stride;
        part.residual = args.residual == nullptr ? nullptr : args.residual + row * args.out_stride;
        stream_for(part.rows)(part);
      }
      return;
    }
    if (args.rows <= kDirectRows) return direct(args);
    blocked(args);
  }
};

}  // namespace
}  // namespace ganglion::kernels
