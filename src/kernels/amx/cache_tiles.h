// Tiles of 64 positions of one head of a paged cache in bf16, turned into the form of B: pairs of steps side by side. A
// tile instruction multiplies K over head_dim and V over positions.
#pragma once

#include "kernels/amx/tiles.h"
#include "kernels/avx512/vec.h"

namespace ganglion::kernels {
namespace {

struct CacheTiles {
  static constexpr std::int64_t kTile = 64;   // positions
  static constexpr std::int64_t kStrip = 16;  // positions: a block has a multiple of it
  static constexpr std::int64_t kStrips = kTile / kStrip;
  static constexpr std::int64_t kStep = 32;  // of a product
  static constexpr std::int64_t kLine = 64;  // bytes

  static std::int64_t steps_of(std::int64_t head_dim) noexcept { return (head_dim + kStep - 1) / kStep; }
  // Of a turned tile: K is [strip][step], V [step][16 columns], head_dim filled up with zeros to whole steps.
  static std::int64_t bytes(std::int64_t head_dim) noexcept { return steps_of(head_dim) * kStrips * kTileBytes; }

  // One cached head of one sequence.
  struct Walk {
    const AttentionArgs& args;
    const std::int32_t* blocks;
    std::int64_t kv_head;
    std::int64_t block(std::int64_t position) const noexcept {
      return (blocks[position / args.block_size] * args.kv_heads + kv_head) * args.block_size * args.head_dim;
    }
    const char* keys(std::int64_t position) const noexcept {  // [head_dim, block_size] from that position on
      return static_cast<const char*>(args.k_cache) + 2 * (block(position) + position % args.block_size);
    }
    const char* values(std::int64_t position) const noexcept {  // [kStrip, head_dim]
      return static_cast<const char*>(args.v_cache) +
             2 * (block(position) + position % args.block_size * args.head_dim);
    }
  };

  // What will be read next, to be prefetched while a tile is turned, a line of the one for every two rows of the other.
  // The block table leads all over memory, where no hardware prefetcher follows.
  struct Ahead {
    const char* strips[kStrips];
    std::int64_t stride;
  };
  static Ahead keys_ahead(const Walk& walk, std::int64_t begin, std::int64_t end) noexcept {
    Ahead out;
    out.stride = 4 * walk.args.block_size;
    for (std::int64_t s = 0; s < kStrips; ++s) {
      const std::int64_t position = begin + s * kStrip;
      out.strips[s] = walk.keys(position < end ? position : 0);
      // Two rows of a strip of a short block are one line; else two strips share the lines of their rows.
      if (walk.args.block_size > kStrip && s % 2 == 1) out.strips[s] += 2 * walk.args.block_size;
    }
    return out;
  }
  static Ahead values_ahead(const Walk& walk, std::int64_t begin, std::int64_t end) noexcept {
    Ahead out;
    out.stride = kLine;
    for (std::int64_t s = 0; s < kStrips; ++s) {
      const std::int64_t position = begin + s * kStrip;
      out.strips[s] = walk.values(position < end ? position : 0);
    }
    return out;
  }

  // (a0, b0, a1, b1, ...)
  static __m512i pairs(const char* a, const char* b) noexcept {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i first = _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a)));
    return _mm512_permutexvar_epi16(
        order, _mm512_inserti64x4(first, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b)), 1));
  }
  static void clear(char* line, const char* end) noexcept {
    for (; line < end; line += kLine) _mm512_store_si512(line, _mm512_setzero_si512());
  }

  // Positions [begin, begin + kTile) of K as tiles of B, as far as there are strips before `end`.
  __attribute__((noinline)) static void turn_keys(const Walk& walk, std::int64_t begin, std::int64_t end, char* to,
                                                  const Ahead& ahead) noexcept {
    alignas(kLine) static constexpr char kNone[kLine] = {};
    const std::int64_t dim = walk.args.head_dim, row = 2 * walk.args.block_size;
    const std::int64_t bytes = steps_of(dim) * kTileBytes;
    for (std::int64_t s = 0; s < kStrips && begin + s * kStrip < end; ++s, to += bytes) {
      const char* from = walk.keys(begin + s * kStrip);
      const char* later = ahead.strips[s];
      char* line = to;
      std::int64_t d = 0;
#pragma GCC unroll 4
      for (; d + 1 < dim; d += 2, from += 2 * row, line += kLine, later += ahead.stride) {
        __builtin_prefetch(later, 0, 2);
        _mm512_store_si512(line, pairs(from, from + row));
      }
      if (d < dim) {
        _mm512_store_si512(line, pairs(from, kNone));
        line += kLine;
      }
      clear(line, to + bytes);
    }
  }

  // The same of V; rows from `end` on are zeros. The pairs are made within quarters of a register, the cheapest way: of
  // every 32 columns one tile gets the first four of every eight, the next tile the others; in_order() puts the sums
  // right. Whether all is finite.
  __attribute__((noinline)) static bool turn_values(const Walk& walk, std::int64_t begin, std::int64_t end, char* to,
                                                    const Ahead& ahead) noexcept {
    const std::int64_t dim = walk.args.head_dim, columns = steps_of(dim);
    const __mmask32 last = dim % kStep == 0 ? ~0u : (1u << dim % kStep) - 1u;
    const __m512i magnitude = _mm512_set1_epi16(0x7fff);
    __m512i top = _mm512_setzero_si512();
    for (std::int64_t s = 0; s < kStrips && begin + s / 2 * kStep < end; ++s) {
      const std::int64_t there = end - begin - s * kStrip;
      const char* from = walk.values(there > 0 ? begin + s * kStrip : begin);
      const char* later = ahead.strips[s];
      char* lines = to + s / 2 * 2 * columns * kTileBytes + s % 2 * (kTileBytes / 2);
      for (std::int64_t p = 0; p < kStrip; p += 2, from += 4 * dim, lines += kLine) {
        char* line = lines;
        for (std::int64_t c = 0; c < columns; ++c, line += 2 * kTileBytes, later += kLine) {
          const __mmask32 mask = c + 1 < columns ? ~0u : last;
          const __m512i first = _mm512_maskz_loadu_epi16(p < there ? mask : 0, from + c * kLine);
          const __m512i second = _mm512_maskz_loadu_epi16(p + 1 < there ? mask : 0, from + 2 * dim + c * kLine);
          __builtin_prefetch(later, 0, 2);
          top = _mm512_max_epu16(top, _mm512_and_si512(first, magnitude));
          top = _mm512_max_epu16(top, _mm512_and_si512(second, magnitude));
          _mm512_store_si512(line, _mm512_unpacklo_epi16(first, second));
          _mm512_store_si512(line + kTileBytes, _mm512_unpackhi_epi16(first, second));
        }
      }
    }
    return _mm512_cmpge_epu16_mask(top, _mm512_set1_epi16(0x7f80)) == 0;
  }
  static void in_order(__m512& first, __m512& second) noexcept {
    const __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const __m512 left = _mm512_permutex2var_ps(first, low, second);
    second = _mm512_permutex2var_ps(first, _mm512_add_epi32(low, _mm512_set1_epi32(8)), second);
    first = left;
  }
};

}  // namespace
}  // namespace ganglion::kernels
