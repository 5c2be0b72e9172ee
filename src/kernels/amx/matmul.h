// Matmul of weights in bf16 or f16 on tiles of bf16 products, summed in f32.
//
// One order of arithmetic for every number of rows: an output element's tile takes the steps of k (32 at a time) one
// after another, and a row of a tile does not see the others; few rows are done without tiles, in the same order
// (few_rows.h). What x and the weights are multiplied as:
//   bf16: x rounded to bf16; the weights are what they are.
//   f16:  x = h + l (tile_rows.h); w = h + l exactly. A step adds l h, then h h, then h l; l l would be below what x
//         has lost.
//
// Panels of bf16 are tiles of B as they are (pair_panels.h). Those of f16 are the ones of avx512, [k][32 columns]: they
// are split and turned where they are used, once for all rows of a group, in slices that stay in the first cache.
//
// A group of panels passes over a slice of x before the next slice does; the partial sums wait in the scratch. Tiles
// are loaded from the second cache at about half the rate that products want them, so what matters is what the first
// cache holds: a slice of a panel, 32 KiB, while two tiles of rows at a time stream by, which are loaded so that they
// do not stay, and the sums these will be added to, which are asked for ahead of time and for writing.
#pragma once

#include "kernels/amx/few_rows.h"
#include "kernels/amx/pair_panels.h"
#include "kernels/amx/tile_rows.h"
#include "kernels/avx512/matmul.h"
#include "kernels/avx512/vec.h"

namespace ganglion::kernels {
namespace {

template <Storage S>
struct TileMatmul {
  using Rows = TileRows<S>;
  static constexpr bool kTurned = S == Storage::kF16;  // panels are turned where they are used
  static constexpr std::int64_t kParts = Rows::kParts;
  static constexpr std::int64_t kWidth = 32;            // of a panel: two tiles
  static constexpr std::int64_t kStep = Rows::kStep;    // of k in a tile
  static constexpr std::int64_t kSlice = Rows::kSlice;  // steps of a panel in the first cache: 32 KiB
  static constexpr std::int64_t kGroupPanels = 16;
  static constexpr std::int64_t kStepBytes = kStep * kWidth * 2;  // of a panel
  static constexpr std::int64_t kSliceBytes = kSlice * kStepBytes;
  static constexpr std::int64_t kSumsTile = kTileRows * kWidth;  // floats
  static constexpr std::int64_t kGroupSums = kGroupPanels * Rows::kGroupTiles * kSumsTile;
  static constexpr std::int64_t kMostUnprepared = 2 * kTileRows;  // rows that a call turns for itself
  // The tiles of B of a step: two high, then two low ones.
  static constexpr std::int64_t kBStep = kTurned ? 4 * kTileBytes : kStepBytes;
  static constexpr std::int64_t kBSecond = kTurned ? kTileBytes : 64;
  static constexpr std::int64_t kBStride = kTurned ? 64 : kPairLine;

  static std::int64_t smaller(std::int64_t a, std::int64_t b) noexcept { return a < b ? a : b; }
  static std::int64_t panel_bytes(std::int64_t k) noexcept { return kTurned ? k * kWidth * 2 : pair_panel_bytes(k); }
  static const char* panel(const MatmulArgs& args, std::int64_t n) noexcept {
    return static_cast<const char*>(args.panels) + n / kWidth * panel_bytes(args.k);
  }
  static std::int64_t prepared_bytes(std::int64_t rows, std::int64_t k) noexcept {
    return rows <= kMostUnprepared || k == 0 ? 0 : Rows::bytes(rows, k);
  }
  static std::int64_t scratch(std::int64_t rows, std::int64_t k) noexcept {
    if (rows <= kMostUnprepared) return Rows::bytes(rows, k);
    const std::int64_t few = Rows::bytes(kMostUnprepared, k), sums = kGroupSums * 4;
    return sums < few ? few : sums;
  }

  // Two steps of k of 16 columns in f16: the pairs of each column side by side, high and low parts. Cut off rather than
  // rounded: 11 significant bits less the first 8 are 3, which bf16 has as well.
  static void split_pair(__m256i even, __m256i odd, char* high) noexcept {
    const __m512i mask = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
    const __m512 first = _mm512_cvtph_ps(even), second = _mm512_cvtph_ps(odd);
    const __m512i first_top = _mm512_and_si512(_mm512_castps_si512(first), mask);
    const __m512i second_top = _mm512_and_si512(_mm512_castps_si512(second), mask);
    const __m512i first_left = _mm512_castps_si512(_mm512_sub_ps(first, _mm512_castsi512_ps(first_top)));
    const __m512i second_left = _mm512_castps_si512(_mm512_sub_ps(second, _mm512_castsi512_ps(second_top)));
    _mm512_store_si512(high, _mm512_or_si512(second_top, _mm512_srli_epi32(first_top, 16)));
    _mm512_store_si512(high + 2 * kTileBytes, _mm512_or_si512(second_left, _mm512_srli_epi32(first_left, 16)));
  }

  // A step of a panel in f16, of `left` rows that exist, as its tiles of B.
  static void turn_step(const char* from, std::int64_t left, char* to) noexcept {
    constexpr std::int64_t kRowBytes = kWidth * 2;
    alignas(64) static constexpr char kNone[kRowBytes] = {};
    const auto half = [](const char* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); };
    for (std::int64_t row = 0; row < kStep; row += 2, to += 64) {
      const char* even = row < left ? from + row * kRowBytes : kNone;
      const char* odd = row + 1 < left ? from + (row + 1) * kRowBytes : kNone;
      split_pair(half(even), half(odd), to);
      split_pair(half(even + 32), half(odd + 32), to + kTileBytes);
    }
    asm volatile("" ::: "memory");  // the compiler does not know that tiles are loaded from here
  }

  // C (tiles 0, 1) of one tile of rows and (tiles 2, 3) of the next += a step of A and B.
  template <bool two>
  static void multiply(const char* a0, const char* a1, const char* b) noexcept {
    _tile_loadd(6, b, kBStride);
    _tile_loadd(7, b + kBSecond, kBStride);
    if constexpr (kParts == 2) {
      _tile_stream_loadd(4, a0 + kTileBytes, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (two) {
        _tile_stream_loadd(5, a1 + kTileBytes, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
    _tile_stream_loadd(4, a0, 64);
    if constexpr (two) _tile_stream_loadd(5, a1, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (two) {
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    if constexpr (kParts == 2) {
      _tile_loadd(6, b + 2 * kTileBytes, kBStride);
      _tile_loadd(7, b + 3 * kTileBytes, kBStride);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (two) {
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
  }

  static constexpr std::int64_t kSumsStride = kWidth * 4;  // bytes
  template <bool two>
  static void begin(const float* sums, bool first) noexcept {
    if (first) {
      _tile_zero(0);
      _tile_zero(1);
      if constexpr (two) {
        _tile_zero(2);
        _tile_zero(3);
      }
      return;
    }
    _tile_loadd(0, sums, kSumsStride);
    _tile_loadd(1, sums + 16, kSumsStride);
    if constexpr (two) {
      _tile_loadd(2, sums + kSumsTile, kSumsStride);
      _tile_loadd(3, sums + kSumsTile + 16, kSumsStride);
    }
  }
  template <bool two>
  static void end(float* sums) noexcept {
    _tile_stored(0, sums, kSumsStride);
    _tile_stored(1, sums + 16, kSumsStride);
    if constexpr (two) {
      _tile_stored(2, sums + kSumsTile, kSumsStride);
      _tile_stored(3, sums + kSumsTile + 16, kSumsStride);
    }
  }

  // Bias, activation, residual.
  static void finish(const MatmulArgs& args, std::int64_t row, std::int64_t n, const float* sums) noexcept {
    Avx512Matmul<S>::finish(args, row, n, Vec::load(sums), Vec::load(sums + 16));
  }

  // A panel for up to two tiles of rows: straight from memory, a step at a time, with later ones prefetched. A step is
  // turned while the one before it is multiplied: tiles are not loaded from stores that are still under way.
  template <bool two>
  static void stream(const MatmulArgs& args, const char* a, std::int64_t n) noexcept {
    constexpr std::int64_t kAhead = 2 * kStepBytes;
    const std::int64_t steps = Rows::steps_of(args.k), tiles = two ? 2 : 1;
    alignas(64) char b[2][kTurned ? kBStep : 64];
    alignas(64) float sums[2 * kSumsTile];
    for (; n < args.n_end; n += kWidth) {
      const char* from = panel(args, n);
      begin<two>(sums, true);
      if constexpr (kTurned) turn_step(from, args.k, b[0]);
      for (std::int64_t s = 0; s < steps; ++s, from += kStepBytes) {
#pragma GCC unroll 32
        for (std::int64_t line = 0; line < kStepBytes; line += 64) __builtin_prefetch(from + kAhead + line);
        if constexpr (kTurned) {
          if (s + 1 < steps) turn_step(from + kStepBytes, args.k - (s + 1) * kStep, b[(s + 1) % 2]);
        }
        multiply<two>(Rows::at(a, tiles, 0, s), Rows::at(a, tiles, 1, s), kTurned ? b[s % 2] : from);
      }
      end<two>(sums);
      for (std::int64_t r = 0; r < args.rows; ++r) finish(args, r, n, sums + r * kWidth);
    }
  }

  // Two panels of bf16 for one tile of rows: two streams from memory are read faster than one. Returns the column after
  // the last of them.
  static std::int64_t stream_beside(const MatmulArgs& args, const char* a) noexcept {
    constexpr std::int64_t kAhead = 2 * kStepBytes;
    const std::int64_t steps = Rows::steps_of(args.k);
    alignas(64) float sums[2 * kSumsTile];
    std::int64_t n = args.n_begin;
    for (; n + kWidth < args.n_end; n += 2 * kWidth) {
      const char *first = panel(args, n), *second = panel(args, n + kWidth);
      begin<true>(sums, true);
      for (std::int64_t s = 0; s < steps; ++s, first += kStepBytes, second += kStepBytes) {
#pragma GCC unroll 32
        for (std::int64_t line = 0; line < kStepBytes; line += 64) {
          __builtin_prefetch(first + kAhead + line);
          __builtin_prefetch(second + kAhead + line);
        }
        _tile_stream_loadd(4, Rows::at(a, 1, 0, s), 64);
        _tile_loadd(6, first, kBStride);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, first + kBSecond, kBStride);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(6, second, kBStride);
        _tile_dpbf16ps(2, 4, 6);
        _tile_loadd(7, second + kBSecond, kBStride);
        _tile_dpbf16ps(3, 4, 7);
      }
      end<true>(sums);
      for (std::int64_t r = 0; r < args.rows; ++r) {
        finish(args, r, n, sums + r * kWidth);
        finish(args, r, n + kWidth, sums + kSumsTile + r * kWidth);
      }
    }
    return n;
  }

  // One or two tiles of rows times `count` steps, added to their sums; the sums after them and a share of the panel's
  // next slice come nearer meanwhile.
  template <bool two>
  static void add_tiles(const char* a0, const char* b, std::int64_t count, bool first, float* sums, const char* next,
                        std::int64_t next_lines) noexcept {
    const char* a1 = a0 + (two ? kSlice * Rows::kBytes : 0);
    const auto* later = reinterpret_cast<const char*>(sums + 2 * kSumsTile);
    constexpr std::int64_t kSumLines = 2 * kSumsTile * 4 / 64 / kSlice;
    const std::int64_t lines = (next_lines + count - 1) / count;
    begin<two>(sums, first);
    for (std::int64_t s = 0; s < count; ++s, a0 += Rows::kBytes, a1 += Rows::kBytes, b += kBStep) {
#pragma GCC unroll 16
      for (std::int64_t line = 0; line < kSumLines; ++line) __builtin_prefetch(later + line * 64, 1);
      later += kSumLines * 64;
      for (std::int64_t line = 0; line < lines; ++line) _mm_prefetch(next + line * 64, _MM_HINT_T1);
      next += lines * 64;
      multiply<two>(a0, a1, b);
    }
    end<two>(sums);
  }

  // `count` steps of a panel from step `first` on, for all tiles of rows; `next` is the slice after it.
  static void add_slice(const MatmulArgs& args, const char* from, std::int64_t first, std::int64_t count,
                        std::int64_t tiles, const char* a, float* sums, const char* next) noexcept {
    alignas(64) char turned[kTurned ? kSlice * kBStep : 64];
    const char* b = from;
    if constexpr (kTurned) {
      for (std::int64_t s = 0; s < count; ++s)
        turn_step(from + s * kStepBytes, args.k - (first + s) * kStep, turned + s * kBStep);
      b = turned;
    }
    const std::int64_t pairs = (tiles + 1) / 2, share = (kSliceBytes / 64 + pairs - 1) / pairs;
    for (std::int64_t tile = 0; tile < tiles; tile += 2, next += share * 64) {
      const char* a0 = Rows::at(a, tiles, tile, first);
      float* part = sums + tile * kSumsTile;
      if (tile + 1 < tiles) {
        add_tiles<true>(a0, b, count, first == 0, part, next, share);
      } else {
        add_tiles<false>(a0, b, count, first == 0, part, next, share);
      }
    }
  }

  // Rows from `row` on, the tiles of a group.
  static void blocked(const MatmulArgs& args, std::int64_t row, std::int64_t rows, const char* a,
                      float* sums) noexcept {
    const std::int64_t steps = Rows::steps_of(args.k), tiles = Rows::tiles_of(rows);
    const std::int64_t panel_sums = tiles * kSumsTile;
    for (std::int64_t group = args.n_begin; group < args.n_end; group += kGroupPanels * kWidth) {
      const std::int64_t end = smaller(args.n_end, group + kGroupPanels * kWidth);
      for (std::int64_t first = 0; first < steps; first += kSlice) {
        for (std::int64_t n = group; n < end; n += kWidth) {
          const std::int64_t here = first * kStepBytes;
          const char* next =
              n + kWidth < end ? panel(args, n + kWidth) + here : panel(args, group) + here + kSliceBytes;
          add_slice(args, panel(args, n) + here, first, smaller(kSlice, steps - first), tiles, a,
                    sums + (n - group) / kWidth * panel_sums, next);
        }
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t n = group; n < end; n += kWidth)
          finish(args, row + r, n, sums + (n - group) / kWidth * panel_sums + r * kWidth);
      }
    }
  }

  static void few(const MatmulArgs& args) noexcept {
    if (args.rows <= FewRows<S>::kMost) return FewRows<S>::run(args);
    const TileConfig config(args.rows < kTileRows ? args.rows : kTileRows);
    char* a = static_cast<char*>(args.scratch);
    Rows::prepare({.x = args.x,
                   .out = a,
                   .rows = args.rows,
                   .k = args.k,
                   .x_stride = args.x_stride,
                   .row_begin = 0,
                   .row_end = args.rows});
    if (args.rows > kTileRows) return stream<true>(args, a, args.n_begin);
    std::int64_t n = args.n_begin;
    if constexpr (!kTurned) n = stream_beside(args, a);
    stream<false>(args, a, n);
  }

  static void run(const MatmulArgs& args) noexcept {
    if (args.rows <= 0) return;
    if (args.k == 0) return Avx512Matmul<S>::run(args);
    if (args.rows <= kMostUnprepared) return few(args);
    const TileConfig config(kTileRows);
    constexpr std::int64_t kRows = Rows::kGroupTiles * kTileRows;
    for (std::int64_t row = 0; row < args.rows; row += kRows) {
      const char* a = static_cast<const char*>(args.prepared) + row / kTileRows * Rows::tile_bytes(args.k);
      blocked(args, row, smaller(kRows, args.rows - row), a, static_cast<float*>(args.scratch));
    }
  }
};

}  // namespace
}  // namespace ganglion::kernels
