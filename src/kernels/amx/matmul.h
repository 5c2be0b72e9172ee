// Matmul of weights in bf16 or f16 on tiles of bf16 products, summed in f32.
//
// One order of arithmetic for every number of rows: an output element's tile takes the steps of k (32 at a time) one
// after another, and a row of a tile does not see the others; few rows are done without tiles, in the same order
// (few_rows.h). What x and the weights are multiplied as:
//   bf16: x rounded to bf16 (to nearest even); the weights are what they are.
//   f16:  x = h + l with h and l in bf16, which leaves 2^-17 of x; w = h + l exactly. A step adds l h, then h h, then
//         h l; l l would be below what x has lost.
//
// The panels are the ones of avx512, [k][32 columns]; a tile of B wants two steps of k side by side in every column, so
// panels are turned into that form (split, for f16) where they are used: once for all rows of a group, in slices that
// stay in the first cache. x is turned once for a group of rows, into the scratch. A group of panels passes over a
// chunk of x that stays in the second cache before the next chunk does; the partial sums wait in the scratch, too.
#pragma once

#include "kernels/amx/few_rows.h"
#include "kernels/amx/tiles.h"
#include "kernels/avx512/matmul.h"
#include "kernels/avx512/vec.h"

namespace ganglion::kernels {
namespace {

template <Storage S>
struct TileMatmul {
  static constexpr std::int64_t kParts = S == Storage::kF16 ? 2 : 1;  // high, low
  static constexpr std::int64_t kWidth = 32;                          // of a panel: two tiles
  static constexpr std::int64_t kStep = 32;                           // of k in a tile
  static constexpr std::int64_t kSlice = 8 / kParts;                  // steps of a panel turned at a time: 16 KiB
  static constexpr std::int64_t kChunk = 32 / kParts;                 // steps of x that the panels of a group share
  static constexpr std::int64_t kGroupTiles = 16;                     // of rows, that share what is turned
  static constexpr std::int64_t kGroupPanels = 8;
  static constexpr std::int64_t kStepBytes = kStep * kWidth * 2;  // of a panel
  static constexpr std::int64_t kATile = kParts * kTileBytes;
  static constexpr std::int64_t kSumsTile = kTileRows * kWidth * 4;
  static constexpr std::int64_t kBStep = 2 * kParts * kTileBytes;  // tile 0 high, tile 1 high, tile 0 low, tile 1 low

  static std::int64_t smaller(std::int64_t a, std::int64_t b) noexcept { return a < b ? a : b; }
  static std::int64_t steps_of(std::int64_t k) noexcept { return (k + kStep - 1) / kStep; }
  static std::int64_t tiles_of(std::int64_t rows) noexcept { return (rows + kTileRows - 1) / kTileRows; }
  static std::int64_t scratch(std::int64_t rows, std::int64_t k) noexcept {
    const std::int64_t tiles = smaller(tiles_of(rows), kGroupTiles);
    return tiles * (steps_of(k) + kChunk) * kATile + (tiles > 2 ? kGroupPanels * tiles * kSumsTile : 0);
  }
  static const char* panel(const MatmulArgs& args, std::int64_t n) noexcept {
    return static_cast<const char*>(args.panels) + n * args.k * 2;
  }

  // 32 numbers of a row as bf16: high parts, and what they leave.
  static void turn_x(__m512 first, __m512 second, char* high) noexcept {
    const __m512i top = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    _mm512_store_si512(high, top);
    if constexpr (kParts == 2) {
      const auto as_f32 = [](__m256i halves) {
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
      };
      const __m512 first_left = _mm512_sub_ps(first, as_f32(_mm512_castsi512_si256(top)));
      const __m512 second_left = _mm512_sub_ps(second, as_f32(_mm512_extracti64x4_epi64(top, 1)));
      _mm512_store_si512(high + kTileBytes, (__m512i)_mm512_cvtne2ps_pbh(second_left, first_left));
    }
  }

  // Where a tile of x begins, of `tiles` in all: chunks of k one after another, so that a chunk of all rows is one
  // piece of memory; in it [tile][step][part].
  static char* a_tile(char* a, std::int64_t tiles, std::int64_t tile, std::int64_t step) noexcept {
    const std::int64_t chunk = step / kChunk;
    return a + ((chunk * tiles + tile) * kChunk + step - chunk * kChunk) * kATile;
  }

  // Rows [row, row + rows) of x as tiles; rows that are missing in the last tile are zeros. Eight steps of a tile at a
  // time: what is written lies kATile apart.
  static void turn_rows(const MatmulArgs& args, std::int64_t row, std::int64_t rows, char* a) noexcept {
    constexpr std::int64_t kTogether = 8;
    static_assert(kChunk % kTogether == 0);
    const std::int64_t steps = steps_of(args.k), tiles = tiles_of(rows);
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      for (std::int64_t first = 0; first < steps; first += kTogether) {
        const std::int64_t end = smaller(steps, first + kTogether);
        char* to = a_tile(a, tiles, tile, first);
        for (std::int64_t r = 0; r < kTileRows; ++r) {
          const std::int64_t there = tile * kTileRows + r < rows ? args.k : 0;
          const float* x = args.x + (row + tile * kTileRows + r) * args.x_stride;
          for (std::int64_t s = first; s < end; ++s) {
            char* line = to + (s - first) * kATile + r * 64;
            const std::int64_t left = there - s * kStep;
            if (left >= kStep) {
              turn_x(_mm512_loadu_ps(x + s * kStep), _mm512_loadu_ps(x + s * kStep + 16), line);
            } else {
              turn_x(Vec::load_first(x + s * kStep, left), Vec::load_first(x + s * kStep + 16, left - 16), line);
            }
          }
        }
      }
    }
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

  // Two steps of k of a whole panel. In bf16 the pairs are made within quarters of a register, the cheapest way: tile 0
  // gets the first four of every eight columns, tile 1 the others; in_order() puts the sums right.
  static void turn_pairs(const char* even, const char* odd, char* to) noexcept {
    if constexpr (S == Storage::kBF16) {
      const __m512i first = _mm512_loadu_si512(even), second = _mm512_loadu_si512(odd);
      _mm512_store_si512(to, _mm512_unpacklo_epi16(first, second));
      _mm512_store_si512(to + kTileBytes, _mm512_unpackhi_epi16(first, second));
    } else {
      const auto half = [](const char* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); };
      split_pair(half(even), half(odd), to);
      split_pair(half(even + 32), half(odd + 32), to + kTileBytes);
    }
  }
  static void in_order(__m512& first, __m512& second) noexcept {
    if constexpr (S == Storage::kBF16) {
      const __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
      const __m512 left = _mm512_permutex2var_ps(first, low, second);
      second = _mm512_permutex2var_ps(first, _mm512_add_epi32(low, _mm512_set1_epi32(8)), second);
      first = left;
    }
  }

  // A step of a panel, of `left` rows that exist, as its tiles of B.
  static void turn_step(const char* from, std::int64_t left, char* to) noexcept {
    constexpr std::int64_t kRowBytes = kWidth * 2;
    if (left >= kStep) {
#pragma GCC unroll 4
      for (std::int64_t row = 0; row < kStep; row += 2, to += 64)
        turn_pairs(from + row * kRowBytes, from + (row + 1) * kRowBytes, to);
      return;
    }
    alignas(64) static constexpr char kNone[kRowBytes] = {};
    for (std::int64_t row = 0; row < kStep; row += 2, to += 64) {
      turn_pairs(row < left ? from + row * kRowBytes : kNone, row + 1 < left ? from + (row + 1) * kRowBytes : kNone,
                 to);
    }
  }

  // C (tiles 0, 1) of one tile of rows and (tiles 2, 3) of the next += steps of A and B, both turned.
  template <bool two>
  static void multiply(const char* a0, const char* a1, const char* b, std::int64_t steps) noexcept {
    for (std::int64_t s = 0; s < steps; ++s, a0 += kATile, a1 += kATile, b += kBStep) {
      if constexpr (kParts == 2) {
        _tile_loadd(6, b, 64);
        _tile_loadd(7, b + kTileBytes, 64);
        _tile_loadd(4, a0 + kTileBytes, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        if constexpr (two) {
          _tile_loadd(5, a1 + kTileBytes, 64);
          _tile_dpbf16ps(2, 5, 6);
          _tile_dpbf16ps(3, 5, 7);
        }
      } else {
        _tile_loadd(6, b, 64);
        _tile_loadd(7, b + kTileBytes, 64);
      }
      _tile_loadd(4, a0, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (two) {
        _tile_loadd(5, a1, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
      if constexpr (kParts == 2) {
        _tile_loadd(6, b + 2 * kTileBytes, 64);
        _tile_loadd(7, b + 3 * kTileBytes, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        if constexpr (two) {
          _tile_dpbf16ps(2, 5, 6);
          _tile_dpbf16ps(3, 5, 7);
        }
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
      _tile_loadd(2, sums + kTileRows * kWidth, kSumsStride);
      _tile_loadd(3, sums + kTileRows * kWidth + 16, kSumsStride);
    }
  }
  template <bool two>
  static void end(float* sums) noexcept {
    _tile_stored(0, sums, kSumsStride);
    _tile_stored(1, sums + 16, kSumsStride);
    if constexpr (two) {
      _tile_stored(2, sums + kTileRows * kWidth, kSumsStride);
      _tile_stored(3, sums + kTileRows * kWidth + 16, kSumsStride);
    }
  }

  static void finish(const MatmulArgs& args, std::int64_t row, std::int64_t n, const float* sums) noexcept {
    __m512 first = Vec::load(sums), second = Vec::load(sums + 16);
    in_order(first, second);
    Avx512Matmul<S>::finish(args, row, n, first, second);
  }

  // A panel for up to two tiles of rows: straight from memory, a step at a time, with later ones prefetched. A step is
  // turned while the one before it is multiplied: tiles are not loaded from stores that are still under way.
  template <bool two>
  static void stream(const MatmulArgs& args, std::int64_t rows, char* a) noexcept {
    constexpr std::int64_t kAhead = 2 * kStepBytes;
    const std::int64_t steps = steps_of(args.k);
    alignas(64) char b[2][kBStep];
    alignas(64) float sums[2 * kTileRows * kWidth];
    for (std::int64_t n = args.n_begin; n < args.n_end; n += kWidth) {
      const char* from = panel(args, n);
      begin<two>(sums, true);
      turn_step(from, args.k, b[0]);
      for (std::int64_t s = 0; s < steps; ++s, from += kStepBytes) {
#pragma GCC unroll 32
        for (std::int64_t line = 0; line < kStepBytes; line += 64) __builtin_prefetch(from + kAhead + line);
        if (s + 1 < steps) turn_step(from + kStepBytes, args.k - (s + 1) * kStep, b[(s + 1) % 2]);
        multiply<two>(a_tile(a, two ? 2 : 1, 0, s), a_tile(a, two ? 2 : 1, 1, s), b[s % 2], 1);
      }
      end<two>(sums);
      for (std::int64_t r = 0; r < rows; ++r) finish(args, r, n, sums + r * kWidth);
    }
  }

  // `count` steps of a panel from step `first` on, for all tiles of rows.
  static void add_slice(const MatmulArgs& args, std::int64_t n, std::int64_t first, std::int64_t count,
                        std::int64_t tiles, char* a, float* sums) noexcept {
    alignas(64) char b[kSlice * kBStep];
    const char* from = panel(args, n) + first * kStepBytes;
    for (std::int64_t s = 0; s < count; ++s)
      turn_step(from + s * kStepBytes, args.k - (first + s) * kStep, b + s * kBStep);
    // What comes next in the panel is brought nearer meanwhile, a part for every pair of tiles.
    const char* next = from + count * kStepBytes;
    const std::int64_t share = kSlice * kStepBytes / ((tiles + 1) / 2);
    for (std::int64_t tile = 0; tile < tiles; tile += 2, next += share) {
      for (std::int64_t line = 0; line < share; line += 64) _mm_prefetch(next + line, _MM_HINT_T1);
      const char* a0 = a_tile(a, tiles, tile, first);
      float* part = sums + tile * kTileRows * kWidth;
      if (tile + 1 < tiles) {
        begin<true>(part, first == 0);
        multiply<true>(a0, a0 + kChunk * kATile, b, count);
        end<true>(part);
      } else {
        begin<false>(part, first == 0);
        multiply<false>(a0, a0, b, count);
        end<false>(part);
      }
    }
  }

  // The rows of a group.
  static void blocked(const MatmulArgs& args, std::int64_t row, std::int64_t rows, char* a, float* sums) noexcept {
    const std::int64_t steps = steps_of(args.k), tiles = tiles_of(rows);
    const std::int64_t panel_sums = tiles * kTileRows * kWidth;
    for (std::int64_t group = args.n_begin; group < args.n_end; group += kGroupPanels * kWidth) {
      const std::int64_t end = smaller(args.n_end, group + kGroupPanels * kWidth);
      for (std::int64_t chunk = 0; chunk < steps; chunk += kChunk) {
        const std::int64_t chunk_end = smaller(steps, chunk + kChunk);
        for (std::int64_t n = group; n < end; n += kWidth) {
          for (std::int64_t first = chunk; first < chunk_end; first += kSlice) {
            add_slice(args, n, first, smaller(kSlice, chunk_end - first), tiles, a,
                      sums + (n - group) / kWidth * panel_sums);
          }
        }
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t n = group; n < end; n += kWidth)
          finish(args, row + r, n, sums + (n - group) / kWidth * panel_sums + r * kWidth);
      }
    }
  }

  static void run(const MatmulArgs& args) noexcept {
    if (args.rows <= 0) return;
    if (args.k == 0) return Avx512Matmul<S>::run(args);
    char* a = static_cast<char*>(args.scratch);
    if (args.rows <= FewRows<S>::kMost) return FewRows<S>::run(args);
    if (args.rows <= 2 * kTileRows) {
      const TileConfig config(args.rows < kTileRows ? args.rows : kTileRows);
      turn_rows(args, 0, args.rows, a);
      return args.rows <= kTileRows ? stream<false>(args, args.rows, a) : stream<true>(args, args.rows, a);
    }
    const TileConfig config(kTileRows);
    const std::int64_t most = smaller(tiles_of(args.rows), kGroupTiles);
    auto* sums = reinterpret_cast<float*>(a + most * (steps_of(args.k) + kChunk) * kATile);
    for (std::int64_t row = 0; row < args.rows; row += kGroupTiles * kTileRows) {
      const std::int64_t rows = smaller(kGroupTiles * kTileRows, args.rows - row);
      turn_rows(args, row, rows, a);
      blocked(args, row, rows, a, sums);
    }
  }
};

}  // namespace
}  // namespace ganglion::kernels
