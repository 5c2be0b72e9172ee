// Rows of whole numbers times weights in s4 on tiles: what avx512_vnni/matmul.h says, to the bit.
//
// A block of a panel is unpacked once for all rows, as numbers with their sign (so no zero points are taken off), into
// the order of tiles, and stays in the first cache. The sums of a group leave the tiles after every group: sixteen rows
// of half a panel have their f32 sums in sixteen registers meanwhile, and the products of the next group are under way.
#pragma once

#include "kernels/amx/tiles.h"
#include "kernels/avx512_vnni/matmul.h"

namespace ganglion::kernels {
namespace {

struct GroupedTiles {
  using M = WholeMatmul<Storage::kS4>;
  static constexpr std::int64_t kBlock = 512;              // of k, unpacked at a time: 16 KiB
  static constexpr std::int64_t kMostTiles = 24;           // of rows, whose sums wait together
  static constexpr std::int64_t kHalfBytes = kBlock * 16;  // of half an unpacked block
  static constexpr std::int64_t kShort = 32;               // a group that is half a tile deep

  // Whether groups of this size are whole tiles, and a block whole groups.
  static bool fit(std::int64_t group) noexcept {
    return group == kShort || (group % 64 == 0 && group <= kBlock && kBlock % group == 0);
  }

  // Lines of a panel as tiles of B, columns 0 to 15 before the others: four steps of k of every column in 64 bytes.
  static void unpack(const char* from, std::int64_t lines, char* to) noexcept {
    const __m512i mask = _mm512_set1_epi8(15), zero_point = _mm512_set1_epi8(kZeroPoint<Storage::kS4>);
    for (std::int64_t line = 0; line < lines; ++line, from += kWholeLine, to += 128) {
#pragma GCC unroll 2
      for (std::int64_t half = 0; half < 2; ++half) {
        const __m512i both = _mm512_loadu_si512(from + 64 * half);
        const __m512i low = _mm512_and_si512(both, mask), high = _mm512_and_si512(_mm512_srli_epi16(both, 4), mask);
        _mm512_store_si512(to + half * kHalfBytes, _mm512_sub_epi8(low, zero_point));
        _mm512_store_si512(to + half * kHalfBytes + 64, _mm512_sub_epi8(high, zero_point));
      }
    }
    // The compiler does not know that tiles are loaded from here.
    asm volatile("" ::: "memory");
  }

  // Sixteen rows of x, from where a block of k begins in them, and half an unpacked block.
  struct Operands {
    const std::int8_t *high, *low;
    std::int64_t x_stride;
    const char* weights;
  };
  using Products = std::int32_t[2][256];  // of high and of low parts, [row][16 columns]

  // The products of steps [begin, begin + group). In other tiles for the groups in between, so that one group's may be
  // stored while the next one's are made.
  static void multiply(const Operands& in, std::int64_t begin, std::int64_t group, Products& out) noexcept {
    _tile_zero(0);
    _tile_zero(1);
    for (std::int64_t end = begin + group; begin < end; begin += 64) {
      _tile_loadd(6, in.weights + begin * 16, 64);
      _tile_loadd(4, in.high + begin, in.x_stride);
      _tile_dpbssd(0, 4, 6);
      _tile_loadd(5, in.low + begin, in.x_stride);
      _tile_dpbssd(1, 5, 6);
    }
    _tile_stored(0, out[0], 64);
    _tile_stored(1, out[1], 64);
  }
  static void multiply_next(const Operands& in, std::int64_t begin, std::int64_t group, Products& out) noexcept {
    _tile_zero(2);
    _tile_zero(3);
    for (std::int64_t end = begin + group; begin < end; begin += 64) {
      _tile_loadd(7, in.weights + begin * 16, 64);
      _tile_loadd(4, in.high + begin, in.x_stride);
      _tile_dpbssd(2, 4, 7);
      _tile_loadd(5, in.low + begin, in.x_stride);
      _tile_dpbssd(3, 5, 7);
    }
    _tile_stored(2, out[0], 64);
    _tile_stored(3, out[1], 64);
  }

  // In a short group the high parts' sum is below 2^15 (32 * 127 * 8), so that one instruction multiplies and adds.
  template <bool is_short>
  static __m512i whole(__m512i high, __m512i low) noexcept {
    if constexpr (is_short) return _mm512_dpwssd_epi32(low, high, _mm512_set1_epi32(128));
    return _mm512_add_epi32(_mm512_slli_epi32(high, 7), low);
  }
  template <bool is_short>
  static void add(const Products& products, const std::uint16_t* scales, __m512 (&sums)[kTileRows]) noexcept {
    const __m512 scale = Elements<Vec, Storage::kBF16>::load(scales);
#pragma GCC unroll 16
    for (std::int64_t r = 0; r < kTileRows; ++r) {
      const __m512i high = _mm512_load_si512(products[0] + 16 * r), low = _mm512_load_si512(products[1] + 16 * r);
      sums[r] = Vec::fma(_mm512_cvtepi32_ps(whole<is_short>(high, low)), scale, sums[r]);
    }
  }

  // Adds `steps` steps of k to sixteen rows of sums, 32 floats apart. `scales` are the first group's.
  template <bool is_short>
  static void add_half(const Operands& in, std::int64_t steps, std::int64_t group, const std::uint16_t* scales,
                       bool first, float* sums) noexcept {
    alignas(64) Products products[2] = {};
    __m512 sum[kTileRows];
#pragma GCC unroll 16
    for (std::int64_t r = 0; r < kTileRows; ++r) sum[r] = first ? Vec::zero() : Vec::load(sums + r * kWholeWidth);
    multiply(in, 0, group, products[0]);
    for (std::int64_t begin = group;; begin += 2 * group, scales += 2 * kWholeWidth) {
      if (begin < steps) multiply_next(in, begin, group, products[1]);
      add<is_short>(products[0], scales, sum);
      if (begin >= steps) break;
      if (begin + group < steps) multiply(in, begin + group, group, products[0]);
      add<is_short>(products[1], scales + kWholeWidth, sum);
      if (begin + group >= steps) break;
    }
#pragma GCC unroll 16
    for (std::int64_t r = 0; r < kTileRows; ++r) Vec::store(sums + r * kWholeWidth, sum[r]);
  }

  template <bool is_short>
  static void all(const MatmulArgs& args, const WholeRows& x, std::int64_t rows, std::int64_t out_row) noexcept {
    const std::int64_t tiles = (rows + kTileRows - 1) / kTileRows;
    const TileConfig config(tiles == 1 ? rows : kTileRows, is_short ? kShort : 64);
    for (std::int64_t n = args.n_begin; n < args.n_end; n += kWholeWidth) {
      const char* panel = whole_panel<Storage::kS4>(args, n);
      const auto* scales = static_cast<const std::uint16_t*>(args.scales) + n * (args.k / args.group);
      for (std::int64_t first = 0; first < tiles; first += kMostTiles) {
        const std::int64_t last = M::smaller(tiles, first + kMostTiles), count = last - first;
        alignas(64) float sums[kMostTiles * kTileRows * kWholeWidth];
        for (std::int64_t begin = 0; begin < args.k; begin += kBlock) {
          const std::int64_t steps = M::smaller(kBlock, args.k - begin);
          const std::int64_t lines = steps / kLineSteps<Storage::kS4>;
          const char* packed = panel + begin / kLineSteps<Storage::kS4> * kWholeLine;
          alignas(64) char weights[2 * kHalfBytes];
          unpack(packed, lines, weights);
          for (std::int64_t t = 0; t < count; ++t) {
            // The next block comes nearer meanwhile, a part for every tile.
            for (std::int64_t line = 2 * lines * t / count; line < 2 * lines * (t + 1) / count; ++line)
              __builtin_prefetch(packed + lines * kWholeLine + line * 64);
            const std::int64_t row = (first + t) * kTileRows;
            for (std::int64_t half = 0; half < 2; ++half) {
              const Operands in{x.high(row) + begin, x.low(row) + begin, x.stride(), weights + half * kHalfBytes};
              add_half<is_short>(in, steps, args.group, scales + begin / args.group * kWholeWidth + 16 * half,
                                 begin == 0, sums + t * kTileRows * kWholeWidth + 16 * half);
            }
          }
        }
        for (std::int64_t row = first * kTileRows; row < M::smaller(rows, last * kTileRows); ++row) {
          const float* sum = sums + (row - first * kTileRows) * kWholeWidth;
          M::finish(args, out_row + row, n, x.scale(row), Vec::load(sum), Vec::load(sum + 16));
        }
      }
    }
  }

  static void many(const MatmulArgs& args, const WholeRows& x, std::int64_t rows, std::int64_t out_row) noexcept {
    if (!fit(args.group)) return M::many(args, x, rows, out_row);
    return args.group == kShort ? all<true>(args, x, rows, out_row) : all<false>(args, x, rows, out_row);
  }
};

}  // namespace
}  // namespace ganglion::kernels
