// Rows of x as tiles of A in bf16, ready to be multiplied: Table::prepare_rows of bf16 and f16.
//
// bf16: x rounded to bf16 (to nearest even). f16: x = h + l with h and l in bf16, which leaves 2^-17 of x; each in a
// tile of its own.
//
// Groups of kGroupTiles tiles of sixteen rows lie one after another. In a group, slices of kSlice steps of k, as a
// matmul takes them: [slice][tile][step][part].
#pragma once

#include "kernels/amx/tiles.h"
#include "kernels/avx512/vec.h"
#include "kernels/table.h"

namespace ganglion::kernels {
namespace {

template <Storage S>
struct TileRows {
  static constexpr std::int64_t kParts = S == Storage::kF16 ? 2 : 1;  // high, low
  static constexpr std::int64_t kStep = 32;                           // of k in a tile
  static constexpr std::int64_t kSlice = 16 / kParts;                 // steps
  static constexpr std::int64_t kGroupTiles = 16;
  static constexpr std::int64_t kBytes = kParts * kTileBytes;  // of a step of a tile

  static std::int64_t smaller(std::int64_t a, std::int64_t b) noexcept { return a < b ? a : b; }
  static std::int64_t steps_of(std::int64_t k) noexcept { return (k + kStep - 1) / kStep; }
  static std::int64_t tiles_of(std::int64_t rows) noexcept { return (rows + kTileRows - 1) / kTileRows; }
  // Of a tile, with what its last slice leaves empty.
  static std::int64_t tile_bytes(std::int64_t k) noexcept {
    return (steps_of(k) + kSlice - 1) / kSlice * kSlice * kBytes;
  }
  static std::int64_t bytes(std::int64_t rows, std::int64_t k) noexcept { return tiles_of(rows) * tile_bytes(k); }

  // Where a step of a tile begins in a group of `tiles`.
  template <typename Char>
  static Char* at(Char* group, std::int64_t tiles, std::int64_t tile, std::int64_t step) noexcept {
    const std::int64_t slice = step / kSlice;
    return group + ((slice * tiles + tile) * kSlice + step - slice * kSlice) * kBytes;
  }

  // 32 numbers of a row as bf16: high parts, and what they leave.
  static void turn(__m512 first, __m512 second, char* high) noexcept {
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

  // Rows that are missing in the last tile are zeros. A slice of a tile at a time: what is written lies kBytes apart.
  static void prepare(const PrepareArgs& args) noexcept {
    const std::int64_t steps = steps_of(args.k), all = tiles_of(args.rows);
    for (std::int64_t tile = args.row_begin / kTileRows; tile < tiles_of(args.row_end); ++tile) {
      const std::int64_t first_tile = tile / kGroupTiles * kGroupTiles;
      const std::int64_t tiles = smaller(kGroupTiles, all - first_tile);
      char* const group = static_cast<char*>(args.out) + first_tile * tile_bytes(args.k);
      for (std::int64_t first = 0; first < steps; first += kSlice) {
        const std::int64_t end = smaller(steps, first + kSlice);
        char* to = at(group, tiles, tile - first_tile, first);
        for (std::int64_t r = 0; r < kTileRows; ++r) {
          const std::int64_t row = tile * kTileRows + r, there = row < args.rows ? args.k : 0;
          const float* x = args.x + row * args.x_stride;
          for (std::int64_t s = first; s < end; ++s) {
            char* line = to + (s - first) * kBytes + r * 64;
            const std::int64_t left = there - s * kStep;
            if (left >= kStep) {
              turn(_mm512_loadu_ps(x + s * kStep), _mm512_loadu_ps(x + s * kStep + 16), line);
            } else {
              turn(Vec::load_first(x + s * kStep, left), Vec::load_first(x + s * kStep + 16, left - 16), line);
            }
          }
        }
      }
    }
    asm volatile("" ::: "memory");  // the compiler does not know that tiles are loaded from here
  }
};

}  // namespace
}  // namespace ganglion::kernels
