// Matmul with packed weights, for a vector type V. One order of arithmetic for every shape: an output element is one
// chain of fused multiply-adds over k, whatever walks around it.
//
// Whole numbers are widened on the way like 16-bit floats: s8 as it is, the output's scale multiplying the finished
// sum; s4 times its group's scale (exactly: 4 and 8 significant bits), so that the chain knows nothing of groups. A
// table with int8 dot products would pack four steps of k side by side and quantize x by rows; nothing outside a table
// knows its panels, so that is its own affair.
//
// Three walks, by the number of rows:
//   - up to a tile (kTile rows): the panels stream by once, straight from memory into the accumulators, several panels
//     side by side when the rows are few, so that enough independent chains are under way;
//   - up to kDirectRows: a panel is taken in slices of kDepth steps that stay in the L1 cache (widened to f32 there if
//     stored in fewer bits) while every tile of rows passes over them; the partial sums wait in `sums`;
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
  // that costs more than it brings: a few lines between tiles are enough.)
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
    const std::int64_t bytes = slice.next_row * slice.depth;
    const std::int64_t step = slice.next_row < 64 ? slice.next_row : 64;
    std::int64_t ahead = 0;
    std::int64_t row = 0;
    for (std::int64_t t = 0; t < count; ++t) {
      const std::int64_t tall = t < taller ? height + 1 : height;
      if constexpr (copied) {
        for (const std::int64_t end = bytes * (t + 1) / count; ahead < end; ahead += 64)
          __builtin_prefetch(slice.next + ahead);
        tile_for<copied>(tall)(x + row * stride, stride, slice, sums + row * kWidth, nullptr, 0);
      } else {
        const bool more = ahead < bytes;
        tile_for<copied>(tall)(x + row * stride, stride, slice, sums + row * kWidth, slice.next + (more ? ahead : 0),
                               more ? step : 0);
        ahead += step * slice.depth;
      }
      row += tall;
    }
  }
};

// kTile_ rows of two vectors of sums fit in the registers beside what they are multiplied from. kMostRows_ are copied
// together at most: with their sums of kPanels panels they are to stay in the second cache.
template <class V, Storage S, std::int64_t kTile_, std::int64_t kDepth_, std::int64_t kMostRows_>
struct Matmul {
  using Reg = typename V::Reg;
  using T = Tiles<V, kTile_, kDepth_>;
  using Scale = Elements<V, Storage::kBF16>;  // of a group of s4

  static constexpr std::int64_t kVectors = T::kVectors;
  static constexpr std::int64_t kWidth = T::kWidth;
  static constexpr std::int64_t kRowBytes =  // of a panel, a step of k
      S == Storage::kS4 ? kWidth / 2 : kWidth * static_cast<std::int64_t>(storage_size(S));
  static constexpr std::int64_t kTile = kTile_;
  static constexpr std::int64_t kDepth = kDepth_;
  static constexpr std::int64_t kDirectRows = 4 * kTile;
  static constexpr std::int64_t kMostRows = kMostRows_;
  static constexpr std::int64_t kPanels = 8;    // that pass over a copied part of x
  static constexpr std::int64_t kAhead = 1024;  // bytes a stream is prefetched ahead

  static std::int64_t smaller(std::int64_t a, std::int64_t b) noexcept { return a < b ? a : b; }

  // Rows that are copied together: parts as equal as can be, since the weights are read anew for each.
  static std::int64_t part_rows(std::int64_t rows) noexcept {
    const std::int64_t parts = (rows + kMostRows - 1) / kMostRows;
    return (rows + parts - 1) / parts;
  }
  // Table::matmul_scratch.
  static std::int64_t scratch(std::int64_t rows) noexcept {
    constexpr auto kFloat = static_cast<std::int64_t>(sizeof(float));
    return rows <= kDirectRows ? 0 : smaller(rows, kMostRows) * (kDepth + kPanels * kWidth) * kFloat;
  }

  // The panel of column n.
  static const char* panel(const MatmulArgs& args, std::int64_t n) noexcept {
    return static_cast<const char*>(args.panels) + n / kWidth * args.k * kRowBytes;
  }
  // Scales of the panel of column n: [k / group, kWidth].
  static const std::uint16_t* scales(const MatmulArgs& args, std::int64_t n) noexcept {
    return static_cast<const std::uint16_t*>(args.scales) + n * (args.k / args.group);
  }
  // One step of k of a panel.
  static void load(const char* step, Reg& w0, Reg& w1) noexcept {
    if constexpr (S == Storage::kS4) {
      V::load_s4(reinterpret_cast<const std::uint8_t*>(step), w0, w1);
    } else {
      using E = Elements<V, S>;
      const auto* weights = reinterpret_cast<const typename E::Type*>(step);
      w0 = E::load(weights);
      w1 = E::load(weights + V::kLanes);
    }
  }

  // Panels side by side for a number of rows, at most the registers of a tile. Two give four chains, enough to keep up
  // with memory; four were measured to read memory at half the speed of one stream (EPYC, Zen 4).
  static constexpr std::int64_t panels_beside(std::int64_t rows) noexcept {
    const std::int64_t fit = kTile / rows;
    return fit > 2 ? 2 : fit;
  }

  // Scale of s8, bias, activation and residual on a vector of finished sums, and the store of those lanes that exist.
  static void finish(const MatmulArgs& args, std::int64_t row, std::int64_t n, Reg sum) noexcept {
    const std::int64_t count = smaller(args.n_end - n, V::kLanes);
    if (count <= 0) return;
    const std::int64_t at = row * args.out_stride + n;
    if constexpr (S == Storage::kS8) {
      sum = V::mul(sum, V::load_first(static_cast<const float*>(args.scales) + n, count));
    }
    if (args.bias != nullptr) sum = V::add(sum, V::load_first(args.bias + n, count));
    if (args.activation != Activation::kNone) sum = Math<V>::activate(args.activation, sum);
    if (args.residual != nullptr) sum = V::add(sum, V::load_first(args.residual + at, count));
    if (count == V::kLanes) {
      V::store(args.out + at, sum);
    } else {
      V::store_first(args.out + at, sum, count);
    }
  }

  // A row of a panel; what most matmuls want, without asking for each of its vectors.
  static void finish(const MatmulArgs& args, std::int64_t row, std::int64_t n, Reg first, Reg second) noexcept {
    if (S == Storage::kS8 || n + kWidth > args.n_end || args.activation > Activation::kRelu) {
      finish(args, row, n, first);
      return finish(args, row, n + V::kLanes, second);
    }
    const std::int64_t at = row * args.out_stride + n;
    if (args.bias != nullptr) {
      first = V::add(first, V::load(args.bias + n));
      second = V::add(second, V::load(args.bias + n + V::kLanes));
    }
    if (args.activation == Activation::kRelu) {
      first = Math<V>::activate(Activation::kRelu, first);
      second = Math<V>::activate(Activation::kRelu, second);
    }
    if (args.residual != nullptr) {
      first = V::add(first, V::load(args.residual + at));
      second = V::add(second, V::load(args.residual + at + V::kLanes));
    }
    V::store(args.out + at, first);
    V::store(args.out + at + V::kLanes, second);
  }

  // Rows [row, row + rows) of kBeside panels from column n on, over the whole of k.
  template <std::int64_t rows, std::int64_t kBeside>
  static void stream(const MatmulArgs& args, std::int64_t row, std::int64_t n) noexcept {
    const float* x = args.x + row * args.x_stride;
    const std::int64_t panel_bytes = args.k * kRowBytes;
    const char* first = panel(args, n);
    Reg sums[kBeside][rows][kVectors];
#pragma GCC unroll 8
    for (std::int64_t p = 0; p < kBeside; ++p) {
#pragma GCC unroll 16
      for (std::int64_t r = 0; r < rows; ++r) sums[p][r][0] = sums[p][r][1] = V::zero();
    }
    const std::int64_t group = S == Storage::kS4 ? args.group : args.k;
    for (std::int64_t begin = 0; begin < args.k; begin += group) {
      [[maybe_unused]] Reg scale[kBeside][kVectors];
      if constexpr (S == Storage::kS4) {
#pragma GCC unroll 8
        for (std::int64_t p = 0; p < kBeside; ++p) {
          const std::uint16_t* from = scales(args, n + p * kWidth) + begin / group * kWidth;
          scale[p][0] = Scale::load(from);
          scale[p][1] = Scale::load(from + V::kLanes);
        }
      }
      for (std::int64_t i = begin; i < begin + group; ++i) {
#pragma GCC unroll 8
        for (std::int64_t p = 0; p < kBeside; ++p) {
          const char* weights = first + p * panel_bytes + i * kRowBytes;
#pragma GCC unroll 2
          for (std::int64_t line = 0; line < kRowBytes; line += 64) {
            __builtin_prefetch(weights + kAhead + line);
          }
          Reg w0, w1;
          load(weights, w0, w1);
          if constexpr (S == Storage::kS4) {
            w0 = V::mul(w0, scale[p][0]);
            w1 = V::mul(w1, scale[p][1]);
          }
#pragma GCC unroll 16
          for (std::int64_t r = 0; r < rows; ++r) {
            const Reg value = V::all_of(x + r * args.x_stride + i);
            sums[p][r][0] = V::fma(value, w0, sums[p][r][0]);
            sums[p][r][1] = V::fma(value, w1, sums[p][r][1]);
          }
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

  // Steps [k, k + depth) of the panel of column n as f32: where they are, or widened into `room`.
  static const float* slice(const MatmulArgs& args, std::int64_t n, std::int64_t k, std::int64_t depth,
                            float* room) noexcept {
    const char* weights = panel(args, n) + k * kRowBytes;
    if constexpr (S == Storage::kF32) {
      return reinterpret_cast<const float*>(weights);
    } else {
      std::int64_t end = depth;  // of the steps with the same scales
      for (std::int64_t i = 0; i < depth;) {
        [[maybe_unused]] Reg scale[kVectors];
        if constexpr (S == Storage::kS4) {
          const std::int64_t group = (k + i) / args.group;
          const std::uint16_t* from = scales(args, n) + group * kWidth;
          scale[0] = Scale::load(from);
          scale[1] = Scale::load(from + V::kLanes);
          end = smaller(depth, (group + 1) * args.group - k);
        }
        for (; i < end; ++i) {
          Reg w0, w1;
          load(weights + i * kRowBytes, w0, w1);
          if constexpr (S == Storage::kS4) {
            w0 = V::mul(w0, scale[0]);
            w1 = V::mul(w1, scale[1]);
          }
          V::store(room + i * kWidth, w0);
          V::store(room + i * kWidth + V::kLanes, w1);
        }
      }
      return room;
    }
  }

  static void finish_all(const MatmulArgs& args, std::int64_t row, std::int64_t rows, std::int64_t n,
                         const float* sums) noexcept {
    for (std::int64_t r = 0; r < rows; ++r, sums += kWidth)
      finish(args, row + r, n, V::load(sums), V::load(sums + V::kLanes));
  }

  // rows <= kDirectRows, x read where it is.
  static void direct(const MatmulArgs& args) noexcept {
    alignas(64) float room[S == Storage::kF32 ? 1 : kDepth * kWidth];
    alignas(64) float sums[kDirectRows * kWidth];
    for (std::int64_t n = args.n_begin; n < args.n_end; n += kWidth) {
      for (std::int64_t k = 0; k < args.k; k += kDepth) {
        const std::int64_t depth = smaller(kDepth, args.k - k);
        T::template all<false>(args.x + k, args.x_stride, args.rows,
                               {.weights = slice(args, n, k, depth, room),
                                .depth = depth,
                                .first = k == 0,
                                .next = panel(args, n) + (k + depth) * kRowBytes,
                                .next_row = kRowBytes},
                               sums);
      }
      finish_all(args, 0, args.rows, n, sums);
    }
  }

  // Rows [row, row + rows) of x, steps [k, k + depth), to `copy`, kDepth apart.
  static void copy_rows(const MatmulArgs& args, std::int64_t row, std::int64_t rows, std::int64_t k, std::int64_t depth,
                        float* copy) noexcept {
    for (std::int64_t r = 0; r < rows; ++r, copy += kDepth) {
      const float* from = args.x + (row + r) * args.x_stride + k;
      std::int64_t i = 0;
      for (; i + V::kLanes <= depth; i += V::kLanes) V::store(copy + i, V::load(from + i));
      if (i < depth) V::store_first(copy + i, V::load_first(from + i, depth - i), depth - i);
    }
  }

  // Any number of rows. The residual may be out: nothing is written there before it is finished.
  static void blocked(const MatmulArgs& args) noexcept {
    alignas(64) float room[S == Storage::kF32 ? 1 : kDepth * kWidth];
    const std::int64_t most = part_rows(args.rows);
    auto* const x = static_cast<float*>(args.scratch);
    float* const sums = x + most * kDepth;
    for (std::int64_t row = 0; row < args.rows; row += most) {
      const std::int64_t rows = smaller(most, args.rows - row);
      for (std::int64_t begin = args.n_begin; begin < args.n_end; begin += kPanels * kWidth) {
        const std::int64_t end = smaller(args.n_end, begin + kPanels * kWidth);
        for (std::int64_t k = 0; k < args.k; k += kDepth) {
          const std::int64_t depth = smaller(kDepth, args.k - k);
          copy_rows(args, row, rows, k, depth, x);
          for (std::int64_t n = begin; n < end; n += kWidth) {
            T::template all<true>(x, kDepth, rows,
                                  {.weights = slice(args, n, k, depth, room),
                                   .depth = depth,
                                   .first = k == 0,
                                   .next = panel(args, n + kWidth) + k * kRowBytes,
                                   .next_row = kRowBytes},
                                  sums + (n - begin) * most);
          }
        }
        for (std::int64_t r = 0; r < rows; ++r) {
          for (std::int64_t n = begin; n < end; n += kWidth)
            finish_all(args, row + r, 1, n, sums + (n - begin) * most + r * kWidth);
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
