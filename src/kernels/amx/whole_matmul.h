// Rows of whole numbers times weights in s8 on tiles: what avx512_vnni/matmul.h says, sixteen rows and two half panels
// at a time, high and low parts of x in tiles of their own. The panels are tiles of B as they are; a block of a panel,
// 16 KiB, stays in the first cache while all rows pass over it.
#pragma once

#include "kernels/amx/tiles.h"
#include "kernels/avx512_vnni/matmul.h"

namespace ganglion::kernels {
namespace {

struct WholeTiles {
  using M = WholeMatmul<Storage::kS8>;
  static constexpr std::int64_t kStep = 64;                        // of k in a tile
  static constexpr std::int64_t kStepBytes = kStep * kWholeWidth;  // of a panel
  static constexpr std::int64_t kMostRows = 256;                   // whose sums wait together
  static constexpr std::int64_t kGroupPanels = 16;

  static constexpr std::int64_t kSumsTile = kTileRows * kWholeWidth;
  using Products = std::int32_t[4 * 256];  // of high parts with both halves of the columns, then of low ones

  // What 16 rows of high and low parts of x make of a block: four tiles of sums.
  static void multiply(const std::int8_t* high, const std::int8_t* low, std::int64_t x_stride, const char* weights,
                       std::int64_t steps, std::int32_t* out) noexcept {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (std::int64_t s = 0; s < steps; ++s, weights += kStepBytes) {
      _tile_loadd(6, weights, kWholeLine);
      _tile_loadd(7, weights + 64, kWholeLine);
      _tile_stream_loadd(4, high + s * kStep, x_stride);
      _tile_dpbsud(0, 4, 6);
      _tile_dpbsud(1, 4, 7);
      _tile_stream_loadd(5, low + s * kStep, x_stride);
      _tile_dpbsud(2, 5, 6);
      _tile_dpbsud(3, 5, 7);
    }
    _tile_stored(0, out, 64);
    _tile_stored(1, out + 256, 64);
    _tile_stored(2, out + 512, 64);
    _tile_stored(3, out + 768, 64);
  }

  // The products of a tile of rows, with those of the blocks before. They are added while the next tile is multiplied.
  static void add(const Products& products, const WholeRows& x, std::int64_t row, std::int64_t begin,
                  float* sums) noexcept {
#pragma GCC unroll 4
    for (std::int64_t r = 0; r < kTileRows; ++r, sums += kWholeWidth) {
      const std::int32_t zero_sum = x.zero_sums(row + r)[begin / kWholeBlock];
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        const std::int32_t* from = products + half * 256 + r * 16;
        const __m512 before = begin == 0 ? Vec::zero() : Vec::load(sums + half * 16);
        const __m512i high = _mm512_load_si512(from), low = _mm512_load_si512(from + 512);
        Vec::store(sums + half * 16, M::with_block(before, high, low, zero_sum, Vec::zero()));
      }
    }
  }

  // Sums of a group of panels, behind x where the call turns it.
  static std::int64_t of_x(std::int64_t rows, std::int64_t k) noexcept {
    return rows <= M::kMostUnprepared ? M::scratch(rows, k) : 0;
  }
  static std::int64_t scratch(std::int64_t rows, std::int64_t k) noexcept {
    const std::int64_t tiles = M::smaller(rows, kMostRows) / kTileRows + 1;
    return M::scratch(rows, k) + kGroupPanels * tiles * kSumsTile * 4;  // fewer rows may be the ones that are turned
  }

  // One block of a panel times all tiles of rows.
  static void add_block(const WholeRows& x, std::int64_t tiles, const char* weights, std::int64_t begin,
                        std::int64_t steps, const char* next, float* sums) noexcept {
    alignas(64) Products products[2];
    const std::int64_t lines = steps * kStepBytes / 64;
    for (std::int64_t t = 0; t < tiles; ++t) {
      for (std::int64_t line = lines * t / tiles; line < lines * (t + 1) / tiles; ++line)
        _mm_prefetch(next + line * 64, _MM_HINT_T1);
      const std::int64_t row = t * kTileRows;
      multiply(x.high(row) + begin, x.low(row) + begin, x.stride(), weights, steps, products[t % 2]);
      if (t > 0) add(products[(t - 1) % 2], x, row - kTileRows, begin, sums + (t - 1) * kSumsTile);
    }
    add(products[(tiles - 1) % 2], x, (tiles - 1) * kTileRows, begin, sums + (tiles - 1) * kSumsTile);
  }

  // A group of panels passes over a block of x, in the second cache, before the next does.
  static void many(const MatmulArgs& args, const WholeRows& x, std::int64_t rows, std::int64_t out_row) noexcept {
    const std::int64_t tiles = (rows + kTileRows - 1) / kTileRows, panel_sums = tiles * kSumsTile;
    const TileConfig config(tiles == 1 ? rows : kTileRows);
    auto* const sums = reinterpret_cast<float*>(static_cast<char*>(args.scratch) + of_x(args.rows, args.k));
    for (std::int64_t group = args.n_begin; group < args.n_end; group += kGroupPanels * kWholeWidth) {
      const std::int64_t end = M::smaller(args.n_end, group + kGroupPanels * kWholeWidth);
      for (std::int64_t begin = 0; begin < x.filled(); begin += kWholeBlock) {
        const std::int64_t steps = M::smaller(kWholeBlock, x.filled() - begin) / kStep, here = begin * kWholeWidth;
        for (std::int64_t n = group; n < end; n += kWholeWidth) {
          const char* weights = whole_panel<Storage::kS8>(args, n) + here;
          const char* next = n + kWholeWidth < end
                                 ? whole_panel<Storage::kS8>(args, n + kWholeWidth) + here
                                 : whole_panel<Storage::kS8>(args, group) + here + kWholeBlock * kWholeWidth;
          add_block(x, tiles, weights, begin, steps, next, sums + (n - group) / kWholeWidth * panel_sums);
        }
      }
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t n = group; n < end; n += kWholeWidth) {
          const float* sum = sums + (n - group) / kWholeWidth * panel_sums + row * kWholeWidth;
          M::finish(args, out_row + row, n, x.scale(row), Vec::load(sum), Vec::load(sum + 16));
        }
      }
    }
  }
};

}  // namespace
}  // namespace ganglion::kernels
