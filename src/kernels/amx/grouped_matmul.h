// Rows of whole numbers times weights in s4 on tiles: what avx512_vnni/matmul.h says, to the bit.
//
// A block of a panel is unpacked once for all rows, as numbers with their sign (so no zero points are taken off), into
// the order of tiles, and stays in the first cache. The sums of whole numbers leave the tiles after every group, into
// the f32 sums of sixteen rows of half a panel, which are in sixteen registers.
//
// All groups of a block, of all rows, are one sequence: a group is multiplied while the one before it is stored and the
// one before that is added. Each waits long for its operands, and the CPU has room for the micro-operations of hardly
// two groups.
#pragma once

#include "kernels/amx/tiles.h"
#include "kernels/avx512_vnni/matmul.h"

namespace ganglion::kernels {
namespace {

struct GroupedTiles {
  using M = WholeMatmul<Storage::kS4>;
  static constexpr std::int64_t kBlock = 512;              // of k, unpacked at a time: 16 KiB
  static constexpr std::int64_t kLeastRows = 7;            // below, vectors are faster
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

  using Products = std::int32_t[2][256];  // of high and of low parts of a group, [row][16 columns]

  // A block of k, for some tiles of rows.
  struct Block {
    const std::int8_t *high, *low;  // where it begins in the first row
    std::int64_t x_stride, tiles, steps, group;
    const char* weights;          // unpacked
    const char* ahead;            // what is wanted next in memory, as long as the block
    const std::uint16_t* scales;  // of its first group
    bool first;                   // of a panel: sums begin
    float* sums;                  // [tile][row][32]
    std::int64_t groups() const noexcept { return steps / group; }
  };

  // Where the next group to be multiplied is: group after group of half a panel, then of the other, then of the next
  // tile of rows.
  struct Place {
    explicit Place(const Block& block) noexcept
        : high(block.high), low(block.low), weights(block.weights), left(block.groups()) {}
    void go_on(const Block& block) noexcept {
      high += block.group;
      low += block.group;
      weights += block.group * 16;
      if (--left > 0) return;
      left = block.groups();
      weights = second_half ? block.weights : block.weights + kHalfBytes;
      const std::int64_t to_next = (second_half ? kTileRows * block.x_stride : 0) - block.steps;
      high += to_next;
      low += to_next;
      if (!second_half) prefetch(block);
      second_half = !second_half;
    }
    // The next block comes nearer, a part for every tile.
    void prefetch(const Block& block) noexcept {
      const std::int64_t lines = block.steps / kLineSteps<Storage::kS4> * kWholeLine / 64;
      for (std::int64_t line = lines * tile / block.tiles; line < lines * (tile + 1) / block.tiles; ++line)
        __builtin_prefetch(block.ahead + line * 64);
      ++tile;
    }
    const std::int8_t *high, *low;
    const char* weights;
    std::int64_t left, tile = 0;
    bool second_half = false;
  };

  // The products of a group, in tiles 0 and 1, or in tiles 2 and 3 for every other group.
  static void multiply_even(const Block& block, Place& place) noexcept {
    _tile_zero(0);
    _tile_zero(1);
    for (std::int64_t k = 0; k < block.group; k += 64) {
      _tile_loadd(6, place.weights + k * 16, 64);
      _tile_loadd(4, place.high + k, block.x_stride);
      _tile_dpbssd(0, 4, 6);
      _tile_loadd(5, place.low + k, block.x_stride);
      _tile_dpbssd(1, 5, 6);
    }
    place.go_on(block);
  }
  static void multiply_odd(const Block& block, Place& place) noexcept {
    _tile_zero(2);
    _tile_zero(3);
    for (std::int64_t k = 0; k < block.group; k += 64) {
      _tile_loadd(7, place.weights + k * 16, 64);
      _tile_loadd(4, place.high + k, block.x_stride);
      _tile_dpbssd(2, 4, 7);
      _tile_loadd(5, place.low + k, block.x_stride);
      _tile_dpbssd(3, 5, 7);
    }
    place.go_on(block);
  }
  static void store_even(Products& out) noexcept {
    _tile_stored(0, out[0], 64);
    _tile_stored(1, out[1], 64);
  }
  static void store_odd(Products& out) noexcept {
    _tile_stored(2, out[0], 64);
    _tile_stored(3, out[1], 64);
  }

  // In a short group the high parts' sum is below 2^15 (32 * 127 * 8), so that one instruction multiplies and adds.
  template <bool is_short>
  static __m512i whole(__m512i high, __m512i low) noexcept {
    if constexpr (is_short) return _mm512_dpwssd_epi32(low, high, _mm512_set1_epi32(128));
    return _mm512_add_epi32(_mm512_slli_epi32(high, 7), low);
  }
  // The f32 sums of the groups that are added, in the same sequence.
  template <bool is_short>
  struct Sums {
    explicit Sums(const Block& block) noexcept : to(block.sums), scales(block.scales), left(block.groups()) {}
    void add(const Block& block, const Products& products) noexcept {
      if (left == block.groups()) {
#pragma GCC unroll 16
        for (std::int64_t r = 0; r < kTileRows; ++r)
          sums[r] = block.first ? Vec::zero() : Vec::load(to + r * kWholeWidth);
      }
      const __m512 scale = Elements<Vec, Storage::kBF16>::load(scales);
#pragma GCC unroll 16
      for (std::int64_t r = 0; r < kTileRows; ++r) {
        const __m512i high = _mm512_load_si512(products[0] + 16 * r), low = _mm512_load_si512(products[1] + 16 * r);
        sums[r] = Vec::fma(_mm512_cvtepi32_ps(whole<is_short>(high, low)), scale, sums[r]);
      }
      scales += kWholeWidth;
      if (--left > 0) return;
#pragma GCC unroll 16
      for (std::int64_t r = 0; r < kTileRows; ++r) Vec::store(to + r * kWholeWidth, sums[r]);
      left = block.groups();
      to += second_half ? kTileRows * kWholeWidth - 16 : 16;
      scales = second_half ? block.scales : block.scales + 16;
      second_half = !second_half;
    }
    __m512 sums[kTileRows];
    float* to;
    const std::uint16_t* scales;
    std::int64_t left;
    bool second_half = false;
  };

  template <bool is_short>
  static void add_block(const Block& block, Products (&products)[2]) noexcept {
    Place place(block);
    Sums<is_short> sums(block);
    const std::int64_t all = 2 * block.tiles * block.groups();  // which is even
    multiply_even(block, place);
    multiply_odd(block, place);
    store_even(products[0]);
    for (std::int64_t i = 2; i < all; i += 2) {
      multiply_even(block, place);
      store_odd(products[1]);
      sums.add(block, products[0]);
      multiply_odd(block, place);
      store_even(products[0]);
      sums.add(block, products[1]);
    }
    store_odd(products[1]);
    sums.add(block, products[0]);
    sums.add(block, products[1]);
  }

  template <bool is_short>
  static void all(const MatmulArgs& args, const WholeRows& x, std::int64_t rows, std::int64_t out_row) noexcept {
    const std::int64_t tiles = (rows + kTileRows - 1) / kTileRows;
    const TileConfig config(tiles == 1 ? rows : kTileRows, is_short ? kShort : 64);
    alignas(64) Products products[2] = {};
    for (std::int64_t n = args.n_begin; n < args.n_end; n += kWholeWidth) {
      const char* panel = whole_panel<Storage::kS4>(args, n);
      const auto* scales = static_cast<const std::uint16_t*>(args.scales) + n * (args.k / args.group);
      for (std::int64_t first = 0; first < tiles; first += kMostTiles) {
        const std::int64_t last = M::smaller(tiles, first + kMostTiles);
        alignas(64) float sums[kMostTiles * kTileRows * kWholeWidth];
        for (std::int64_t begin = 0; begin < args.k; begin += kBlock) {
          const std::int64_t steps = M::smaller(kBlock, args.k - begin);
          const std::int64_t lines = steps / kLineSteps<Storage::kS4>;
          const char* packed = panel + begin / kLineSteps<Storage::kS4> * kWholeLine;
          alignas(64) char weights[2 * kHalfBytes];
          unpack(packed, lines, weights);
          const std::int64_t row = first * kTileRows;
          add_block<is_short>({.high = x.high(row) + begin,
                               .low = x.low(row) + begin,
                               .x_stride = x.stride(),
                               .tiles = last - first,
                               .steps = steps,
                               .group = args.group,
                               .weights = weights,
                               .ahead = packed + lines * kWholeLine,
                               .scales = scales + begin / args.group * kWholeWidth,
                               .first = begin == 0,
                               .sums = sums},
                              products);
        }
        for (std::int64_t row = first * kTileRows; row < M::smaller(rows, last * kTileRows); ++row) {
          const float* sum = sums + (row - first * kTileRows) * kWholeWidth;
          M::finish(args, out_row + row, n, x.scale(row), Vec::load(sum), Vec::load(sum + 16));
        }
      }
    }
  }

  static void many(const MatmulArgs& args, const WholeRows& x, std::int64_t rows, std::int64_t out_row) noexcept {
    if (rows < kLeastRows || !fit(args.group)) return M::many(args, x, rows, out_row);
    return args.group == kShort ? all<true>(args, x, rows, out_row) : all<false>(args, x, rows, out_row);
  }
};

}  // namespace
}  // namespace ganglion::kernels
