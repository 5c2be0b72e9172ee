// One head of a paged cache in bf16, turned into tiles of B, 32 positions at a time: pairs of steps side by side, the
// steps being those of head_dim in K and positions in V.
#pragma once

#include "kernels/amx/tiles.h"
#include "kernels/avx512/vec.h"

namespace ganglion::kernels {
namespace {

struct CacheTiles {
  static constexpr std::int64_t kStrip = 16;  // positions: a block has a multiple of it
  static constexpr std::int64_t kStep = 32;   // of a product
  static constexpr std::int64_t kLine = 64;   // bytes

  static std::int64_t steps_of(std::int64_t head_dim) noexcept { return (head_dim + kStep - 1) / kStep; }
  // Of 32 turned positions: K is [16 positions][step], V [16 columns], head_dim filled up with zeros to whole steps.
  static std::int64_t bytes(std::int64_t head_dim) noexcept { return steps_of(head_dim) * 2 * kTileBytes; }

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

  // What will be read next, to be prefetched meanwhile: two runs of head_dim / 2 lines, one while a piece is turned,
  // the other while it is multiplied, so that memory is asked all the time. The block table leads all over memory,
  // where no hardware prefetcher follows.
  struct Ahead {
    const char* first;
    const char* second;
    std::int64_t stride;
  };
  // Whether positions [begin, begin + 32) lie in one block.
  static bool together(const Walk& walk, std::int64_t begin) noexcept {
    return begin % walk.args.block_size + kStep <= walk.args.block_size;
  }
  static std::int64_t second_strip(std::int64_t begin, std::int64_t end) noexcept {
    return begin + kStrip < end ? begin + kStrip : begin;
  }
  static Ahead keys_ahead(const Walk& walk, std::int64_t begin, std::int64_t end) noexcept {
    const std::int64_t row = 2 * walk.args.block_size;
    const char* first = walk.keys(begin);
    if (together(walk, begin)) return {first, first + walk.args.head_dim / 2 * row, row};
    return {first, walk.keys(second_strip(begin, end)), 2 * row};
  }
  static Ahead values_ahead(const Walk& walk, std::int64_t begin, std::int64_t end) noexcept {
    return {walk.values(begin), walk.values(second_strip(begin, end)), kLine};
  }
  // `lines` lines of the second run from line `at` on.
  static void fetch_second(const Ahead& ahead, std::int64_t at, std::int64_t lines) noexcept {
    for (std::int64_t i = at; i < at + lines; ++i) __builtin_prefetch(ahead.second + i * ahead.stride, 0, 2);
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

  // One strip of K, or two that lie side by side.
  template <int strips>
  static void turn_strips(const char* from, std::int64_t row, std::int64_t dim, char* to, const char* later,
                          std::int64_t stride) noexcept {
    alignas(kLine) static constexpr char kNone[kLine] = {};
    const std::int64_t bytes = steps_of(dim) * kTileBytes;
    char* line = to;
    const auto turn = [&](const char* even, const char* odd) {
#pragma GCC unroll 2
      for (int s = 0; s < strips; ++s)
        _mm512_store_si512(line + s * bytes, pairs(even + s * 2 * kStrip, odd + s * 2 * kStrip));
      line += kLine;
    };
    std::int64_t d = 0;
#pragma GCC unroll 4
    for (; d + 1 < dim; d += 2, from += 2 * row) {
      __builtin_prefetch(later, 0, 2);
      later += stride;
      turn(from, from + row);
    }
    if (d < dim) turn(from, kNone);
    for (int s = 0; s < strips; ++s) clear(line + s * bytes, to + (s + 1) * bytes);
  }

  // Positions [begin, begin + 32) of K, as far as there are strips before `end`.
  __attribute__((noinline)) static void turn_keys(const Walk& walk, std::int64_t begin, std::int64_t end, char* to,
                                                  const Ahead& ahead) noexcept {
    const std::int64_t dim = walk.args.head_dim, row = 2 * walk.args.block_size;
    if (together(walk, begin)) return turn_strips<2>(walk.keys(begin), row, dim, to, ahead.first, ahead.stride);
    turn_strips<1>(walk.keys(begin), row, dim, to, ahead.first, ahead.stride);
    if (begin + kStrip < end) {
      turn_strips<1>(walk.keys(begin + kStrip), row, dim, to + steps_of(dim) * kTileBytes, ahead.second, ahead.stride);
    }
  }

  // The same of V; rows from `end` on are zeros. The pairs are made within quarters of a register, the cheapest way: of
  // every 32 columns one tile gets the first four of every eight, the next tile the others; in_order() puts the sums
  // right. Whether all is finite.
  __attribute__((noinline)) static bool turn_values(const Walk& walk, std::int64_t begin, std::int64_t end, char* to,
                                                    const Ahead& ahead) noexcept {
    const std::int64_t dim = walk.args.head_dim, columns = steps_of(dim);
    const __mmask32 last = dim % kStep == 0 ? ~__mmask32{0} : (__mmask32{1} << dim % kStep) - 1;
    const __m512i magnitude = _mm512_set1_epi16(0x7fff);
    __m512i top = _mm512_setzero_si512();
    const char* later = ahead.first;
    for (std::int64_t strip = 0; strip < kStep; strip += kStrip, to += kTileBytes / 2) {
      const std::int64_t there = end - begin - strip;
      const char* from = walk.values(there > 0 ? begin + strip : begin);
      for (std::int64_t p = 0; p < kStrip; p += 2, from += 4 * dim) {
        char* line = to + p / 2 * kLine;
        for (std::int64_t c = 0; c < columns; ++c, line += 2 * kTileBytes) {
          const __mmask32 mask = c + 1 < columns ? ~__mmask32{0} : last;
          const __m512i first = _mm512_maskz_loadu_epi16(p < there ? mask : __mmask32{0}, from + c * kLine);
          const __m512i second =
              _mm512_maskz_loadu_epi16(p + 1 < there ? mask : __mmask32{0}, from + 2 * dim + c * kLine);
          __builtin_prefetch(later, 0, 2);
          later += ahead.stride;
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
