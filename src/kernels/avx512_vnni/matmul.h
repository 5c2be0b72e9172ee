// Matmul of weights in s8 and s4 by products of whole numbers. The sum over a block of k (a group of s4; kBlock steps
// in s8) is exact, in 32 bits; blocks are added in f32 in order, those of s4 times their group's scale; then x's scale
// multiplies the sum. Since the whole numbers are exact, tiles and vectors, few rows and many give the same bits.
#pragma once

#include <cstring>

#include "kernels/avx512/matmul.h"
#include "kernels/avx512_vnni/whole_rows.h"

namespace ganglion::kernels {
namespace {

inline constexpr std::int64_t kWholeBlock = 512;  // of s8: |sum| <= 512 * 255 * 127 * 128 is below 2^31

template <Storage S>
struct WholeMatmul {
  static constexpr std::int64_t kWidth = kWholeWidth;
  static constexpr std::int64_t kTile = S == Storage::kS8 ? 6 : 4;  // rows whose sums fit in the registers
  static constexpr std::int64_t kAhead = 1024;                      // bytes a stream is prefetched ahead
  static constexpr std::int64_t kMostX = 3 << 19;                   // bytes of x together, in the second cache
  static constexpr std::int64_t kLeastGroup = 32;                   // of s4, that memory is laid out for

  static std::int64_t smaller(std::int64_t a, std::int64_t b) noexcept { return a < b ? a : b; }
  static std::int64_t larger(std::int64_t a, std::int64_t b) noexcept { return a < b ? b : a; }
  static constexpr std::int64_t kMostUnprepared = 16;  // rows that a call turns for itself

  // Rows that are multiplied together at most; a multiple of sixteen, for tiles.
  static std::int64_t most_rows(std::int64_t k) noexcept {
    return larger(kMostX / (2 * filled_steps(k) + 64) / 16, 6) * 16;
  }
  static std::int64_t sixteens(std::int64_t rows) noexcept { return (rows + 15) / 16 * 16; }
  // Groups that do not end with a line are summed one number after another.
  static bool in_lines(std::int64_t group) noexcept { return S == Storage::kS8 || group % kLeastGroup == 0; }
  static std::int64_t block_of(std::int64_t group) noexcept {
    return S == Storage::kS8 ? kWholeBlock : in_lines(group) ? group : kLeastGroup;
  }
  static std::int64_t scratch(std::int64_t rows, std::int64_t k) noexcept {
    return WholeRows::bytes(smaller(sixteens(rows), kMostUnprepared), k, S == Storage::kS8 ? kWholeBlock : kLeastGroup);
  }
  static std::int64_t prepared_bytes(std::int64_t rows, std::int64_t k, std::int64_t group) noexcept {
    return rows <= kMostUnprepared || k == 0 ? 0 : WholeRows::bytes(sixteens(rows), k, block_of(group));
  }
  static void prepare(const PrepareArgs& args) noexcept {
    WholeRows x(args.out, sixteens(args.rows), args.k, block_of(args.group));
    for (std::int64_t row = args.row_begin; row < args.row_end; ++row)
      x.turn(args.x + row * args.x_stride, row, kZeroPoint<S>);
  }

  // The sum of a block, high and low parts of x apart, added to a vector of sums.
  static __m512 with_block(__m512 sum, __m512i high, __m512i low, std::int32_t zero_sum, __m512 scale) noexcept {
    const __m512i parts = _mm512_add_epi32(_mm512_slli_epi32(high, 7), low);
    const __m512 whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(parts, _mm512_set1_epi32(zero_sum)));
    return S == Storage::kS8 ? Vec::add(sum, whole) : Vec::fma(whole, scale, sum);
  }

  // Sixteen sums of products, not as __m512i: an array of those, which may alias everything, is kept in memory.
  using Sums [[gnu::vector_size(64)]] = std::int32_t;
  static Sums with_products(Sums sum, __m512i weights, __m512i x) noexcept {
    return (Sums)_mm512_dpbusd_epi32((__m512i)sum, weights, x);
  }

  static __m512i four(const std::int8_t* numbers) noexcept {
    std::int32_t value = 0;
    std::memcpy(&value, numbers, 4);
    return _mm512_set1_epi32(value);
  }

  // Steps by fours of a line, both halves of the columns.
  static constexpr std::int64_t kFours = kLineSteps<S> / 4;
  static void load_line(const char* line, __m512i (&w)[kFours][2]) noexcept {
    w[0][0] = _mm512_loadu_si512(line);
    w[0][1] = _mm512_loadu_si512(line + 64);
    if constexpr (S == Storage::kS4) {
      const __m512i mask = _mm512_set1_epi8(15);
      w[1][0] = _mm512_and_si512(_mm512_srli_epi16(w[0][0], 4), mask);
      w[1][1] = _mm512_and_si512(_mm512_srli_epi16(w[0][1], 4), mask);
      w[0][0] = _mm512_and_si512(w[0][0], mask);
      w[0][1] = _mm512_and_si512(w[0][1], mask);
    }
  }

  // The scales of a group of half a panel of s4.
  static __m512 group_scale(const MatmulArgs& args, std::int64_t n, std::int64_t group, std::int64_t half) noexcept {
    if constexpr (S == Storage::kS8) return Vec::zero();
    const auto* panel = static_cast<const std::uint16_t*>(args.scales) + n * (args.k / args.group);
    return Elements<Vec, Storage::kBF16>::load(panel + group * kWidth + 16 * half);
  }

  // Adds steps [begin, end), one block, of rows [row, row + rows) of x times kBeside panels from column n on to
  // `sums`, [panel][row][32]. A function of its own: it fills the registers.
  template <std::int64_t rows, std::int64_t kBeside>
  [[gnu::noinline]] static void add_block(const MatmulArgs& args, const WholeRows& x, std::int64_t row, std::int64_t n,
                                          std::int64_t begin, std::int64_t end, float* sums) noexcept {
    const std::int64_t panel_bytes = whole_panel_bytes<S>(args.k), stride = x.stride(), to_low = x.filled();
    const std::int8_t* q = x.high(row) + begin;
    const char* line = whole_panel<S>(args, n) + begin / kLineSteps<S> * kWholeLine;
    Sums high[kBeside][rows][2], low[kBeside][rows][2];
#pragma GCC unroll 2
    for (std::int64_t p = 0; p < kBeside; ++p) {
#pragma GCC unroll 8
      for (std::int64_t r = 0; r < rows; ++r) high[p][r][0] = high[p][r][1] = low[p][r][0] = low[p][r][1] = Sums{};
    }
    for (std::int64_t lines = (end - begin) / kLineSteps<S>; lines > 0; --lines) {
#pragma GCC unroll 2
      for (std::int64_t p = 0; p < kBeside; ++p) {
        __builtin_prefetch(line + p * panel_bytes + kAhead);
        __builtin_prefetch(line + p * panel_bytes + kAhead + 64);
        __m512i w[kFours][2];
        load_line(line + p * panel_bytes, w);
#pragma GCC unroll 2
        for (std::int64_t f = 0; f < kFours; ++f) {
#pragma GCC unroll 8
          for (std::int64_t r = 0; r < rows; ++r) {
            const std::int8_t* four_of_x = q + r * stride + 4 * f;
            const __m512i h = four(four_of_x), l = four(four_of_x + to_low);
            high[p][r][0] = with_products(high[p][r][0], w[f][0], h);
            high[p][r][1] = with_products(high[p][r][1], w[f][1], h);
            low[p][r][0] = with_products(low[p][r][0], w[f][0], l);
            low[p][r][1] = with_products(low[p][r][1], w[f][1], l);
          }
        }
      }
      line += kWholeLine;
      q += kLineSteps<S>;
    }
    const std::int64_t block = begin / x.block();
#pragma GCC unroll 2
    for (std::int64_t p = 0; p < kBeside; ++p) {
#pragma GCC unroll 2
      for (std::int64_t half = 0; half < 2; ++half) {
        const __m512 scale = group_scale(args, n + p * kWidth, block, half);
#pragma GCC unroll 8
        for (std::int64_t r = 0; r < rows; ++r) {
          float* sum = sums + ((p * rows + r) * 2 + half) * 16;
          const std::int32_t zero_sum = x.zero_sums(row + r)[block];
          Vec::store(sum,
                     with_block(Vec::load(sum), (__m512i)high[p][r][half], (__m512i)low[p][r][half], zero_sum, scale));
        }
      }
    }
  }

  // Rows [row, row + rows) of x times kBeside panels from column n on, which are rows from out_row on of out.
  template <std::int64_t rows, std::int64_t kBeside>
  static void stream(const MatmulArgs& args, const WholeRows& x, std::int64_t row, std::int64_t out_row,
                     std::int64_t n) noexcept {
    alignas(64) float sums[kBeside * rows * kWidth] = {};
    // The last block of s8 goes on into what k is filled up with.
    const std::int64_t last = S == Storage::kS8 ? x.filled() : args.k;
    for (std::int64_t begin = 0; begin < args.k; begin += x.block())
      add_block<rows, kBeside>(args, x, row, n, begin, smaller(begin + x.block(), last), sums);
    for (std::int64_t p = 0; p < kBeside; ++p) {
      for (std::int64_t r = 0; r < rows; ++r) {
        const float* sum = sums + (p * rows + r) * kWidth;
        finish(args, out_row + r, n + p * kWidth, x.scale(row + r), Vec::load(sum), Vec::load(sum + 16));
      }
    }
  }

  static void finish(const MatmulArgs& args, std::int64_t row, std::int64_t n, float scale, __m512 first,
                     __m512 second) noexcept {
    const __m512 of_x = Vec::all(scale);
    Avx512Matmul<S>::finish(args, row, n, Vec::mul(first, of_x), Vec::mul(second, of_x));
  }

  // Panels side by side: two streams from memory are read faster than one.
  template <std::int64_t rows>
  static void stream_rows(const MatmulArgs& args, const WholeRows& x, std::int64_t row, std::int64_t out_row) noexcept {
    constexpr std::int64_t kBeside = 2 * rows <= kTile ? 2 : 1;
    std::int64_t n = args.n_begin;
    for (; n + kBeside * kWidth <= args.n_end; n += kBeside * kWidth) stream<rows, kBeside>(args, x, row, out_row, n);
    for (; n < args.n_end; n += kWidth) stream<rows, 1>(args, x, row, out_row, n);
  }

  template <std::int64_t rows = kTile>
  static void few(const MatmulArgs& args, const WholeRows& x, std::int64_t count, std::int64_t out_row) noexcept {
    if constexpr (rows > 1) {
      if (count < rows) return few<rows - 1>(args, x, count, out_row);
    }
    stream_rows<rows>(args, x, 0, out_row);
  }

  template <std::int64_t rows = kTile>
  static void tile(const MatmulArgs& args, const WholeRows& x, std::int64_t count, std::int64_t row,
                   std::int64_t out_row, std::int64_t n) noexcept {
    if constexpr (rows > 1) {
      if (count < rows) return tile<rows - 1>(args, x, count, row, out_row, n);
    }
    stream<rows, 1>(args, x, row, out_row, n);
  }

  // A group of s4 that does not end with a line: one number after another, in the same order.
  static void one_by_one(const MatmulArgs& args, const WholeRows& x, std::int64_t rows, std::int64_t out_row) noexcept {
    for (std::int64_t n = args.n_begin; n < args.n_end; n += kWidth) {
      const char* panel = whole_panel<S>(args, n);
      for (std::int64_t r = 0; r < rows; ++r) {
        __m512 sum[2] = {Vec::zero(), Vec::zero()};
        for (std::int64_t begin = 0; begin < args.k; begin += args.group) {
          alignas(64) std::int32_t totals[kWidth] = {};
          for (std::int64_t k = begin; k < begin + args.group; ++k) {
            const std::int32_t q = x.high(r)[k] * 128 + x.low(r)[k];
            for (std::int64_t j = 0; j < kWidth; ++j) {
              const auto byte = static_cast<std::uint8_t>(panel[k / 8 * kWholeLine + j * 4 + k % 4]);
              totals[j] += ((k % 8 < 4 ? byte & 15 : byte >> 4) - kZeroPoint<S>)*q;
            }
          }
          for (std::int64_t half = 0; half < 2; ++half) {
            const __m512i total = _mm512_load_si512(totals + 16 * half);
            const __m512 scale = group_scale(args, n, begin / args.group, half);
            sum[half] = with_block(sum[half], _mm512_setzero_si512(), total, 0, scale);
          }
        }
        finish(args, out_row + r, n, x.scale(r), sum[0], sum[1]);
      }
    }
  }

  // Every panel once for all rows, in tiles as equal as can be.
  static void many(const MatmulArgs& args, const WholeRows& x, std::int64_t rows, std::int64_t out_row) noexcept {
    const std::int64_t tiles = (rows + kTile - 1) / kTile;
    const std::int64_t height = rows / tiles, taller = rows % tiles;
    for (std::int64_t n = args.n_begin; n < args.n_end; n += kWidth) {
      for (std::int64_t t = 0, row = 0; t < tiles; ++t) {
        const std::int64_t count = t < taller ? height + 1 : height;
        tile(args, x, count, row, out_row + row, n);
        row += count;
      }
    }
  }

  using Many = void (*)(const MatmulArgs&, const WholeRows&, std::int64_t, std::int64_t) noexcept;

  // `many` does parts of more than kTile rows, of `most` at most.
  static void run(const MatmulArgs& args, Many many, std::int64_t most) noexcept {
    if (args.rows <= 0) return;
    if (args.k == 0) return Avx512Matmul<Storage::kF32>::run(args);
    void* const turned = args.rows <= kMostUnprepared ? args.scratch : const_cast<void*>(args.prepared);
    const WholeRows all(turned, sixteens(args.rows), args.k, block_of(args.group));
    if (args.rows <= kMostUnprepared) {
      prepare({.x = args.x,
               .out = turned,
               .rows = args.rows,
               .k = args.k,
               .x_stride = args.x_stride,
               .group = args.group,
               .row_begin = 0,
               .row_end = args.rows});
    }
    const std::int64_t parts = (args.rows + most - 1) / most;
    const std::int64_t height = sixteens((args.rows + parts - 1) / parts);
    for (std::int64_t row = 0; row < args.rows; row += height) {
      const std::int64_t rows = smaller(height, args.rows - row);
      const WholeRows x = all.after(row);
      if (!in_lines(args.group)) {
        one_by_one(args, x, rows, row);
      } else if (rows <= kTile) {
        few(args, x, rows, row);
      } else {
        many(args, x, rows, row);
      }
    }
  }
};

}  // namespace
}  // namespace ganglion::kernels
