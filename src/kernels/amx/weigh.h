// Scores to weights, for sixteen queries side by side: the softmax of an attention on tiles, as far as one tile of
// positions goes.
#pragma once

#include "kernels/amx/cache_tiles.h"

namespace ganglion::kernels {
namespace {

struct Weigh {
  static constexpr std::int64_t kTile = 64, kLine = CacheTiles::kLine;  // positions; bytes
  static constexpr std::int64_t kRows = kTileRows;
  // A query's top moves when a score is so much above it, in powers of two: weights may be as large, and sums have to
  // be multiplied by what the top moves by only then. In f32 and bf16 large weights are as exact as small ones.
  static constexpr float kSlack = 8.0f;

  // What the queries are at after some tiles. Scores are meant in powers of two.
  struct State {
    alignas(kLine) float tops[kRows];    // of the scores, or up to kSlack below
    alignas(kLine) float totals[kRows];  // of the weights, as rounded
    std::int64_t seen[kRows];            // positions 0..seen-1
    std::int64_t first_seen, last_seen;  // least and largest of them
    std::int64_t rows;                   // queries that there are
  };
  static void start(State& state) noexcept {
    Vec::store(state.tops, Vec::all(-__builtin_inff()));
    Vec::store(state.totals, Vec::zero());
  }

  // 2^x within 2^-18, which a bf16 does not notice; 1 at 0. 2^x = 2^floor(x) (1 + r q(r)), by fit_polynomials.py.
  static __m512 exp2(__m512 x) noexcept {
    const __m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 sum = Vec::all(0.0134267071f);
    sum = Vec::fma(sum, r, Vec::all(0.0522424318f));
    sum = Vec::fma(sum, r, Vec::all(0.241280228f));
    sum = Vec::fma(sum, r, Vec::all(0.693044841f));
    return _mm512_scalef_ps(Vec::fma(sum, r, Vec::all(1.0f)), x);
  }

  // Lane r of the result: the lanes of row(r) brought together, every row's in the same order.
  template <class Join, class Row>
  static __m512 reduce(const Row& row) noexcept {
    const auto four = [&](std::int64_t r) {  // a quarter for each of rows r, r + 4, r + 8, r + 12
      const __m512 a = halves<Join>(row(r), row(r + 4)), b = halves<Join>(row(r + 8), row(r + 12));
      return Join::join(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
    };
    const __m512 a = pairs<Join>(four(0), four(1)), b = pairs<Join>(four(2), four(3));
    return Join::join(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
  }
  struct Add {
    static __m512 join(__m512 a, __m512 b) noexcept { return _mm512_add_ps(a, b); }
  };
  struct Max {
    static __m512 join(__m512 a, __m512 b) noexcept { return _mm512_max_ps(a, b); }
  };

  // scores f32 [4][row][16] -> weights bf16 [2][row][32], of positions [begin, begin + kTile); `scale` >= 0 makes
  // scores powers of two. Where the lanes set in the result are, the sums must be multiplied by the row's shrink first.
  // `lines`, [row][16], is for what is summed.
  template <bool masked>
  __attribute__((noinline)) static unsigned run(State& state, const char* scores, char* weights, std::int64_t begin,
                                                float scale, float* lines, float* shrink) noexcept {
    const __m512 lowest = Vec::all(-__builtin_inff()), factor = Vec::all(scale);
    std::uint64_t masks[kRows];
    if constexpr (masked) {
      for (std::int64_t r = 0; r < kRows; ++r) {
        const std::int64_t count = state.seen[r] - begin;
        masks[r] = count >= kTile ? ~std::uint64_t{0} : count <= 0 ? 0 : (std::uint64_t{1} << count) - 1;
      }
    }
    const auto load = [&](std::int64_t r, std::int64_t strip) {
      const char* at = scores + strip * kTileBytes + r * kLine;
      return masked ? _mm512_mask_load_ps(lowest, static_cast<__mmask16>(masks[r] >> 16 * strip), at)
                    : _mm512_load_ps(at);
    };
    // NaN scores are dropped here; their weights are NaN all the same.
    const auto row_top = [&](std::int64_t r) {
      __m512 top = Vec::max(load(r, 0), lowest);
      top = Vec::max(load(r, 1), top);
      top = Vec::max(load(r, 2), top);
      return Vec::max(load(r, 3), top);
    };
    const __m512 tile_tops = Vec::mul(reduce<Max>(row_top), factor);
    const __m512 before = Vec::load(state.tops);
    const __mmask16 moved = Vec::less(Vec::add(before, Vec::all(kSlack)), tile_tops);
    const __m512 tops = Vec::select(moved, tile_tops, before);
    __m512 totals = Vec::load(state.totals);
    if (moved != 0) {
      const __m512 by = Vec::select(moved, exp2(Vec::sub(before, tops)), Vec::all(1.0f));
      Vec::store(shrink, by);
      Vec::store(state.tops, tops);
      totals = Vec::mul(totals, by);
    }

    const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
    for (std::int64_t r = 0; r < state.rows; ++r) {
      const __m512 top = Vec::all_of(state.tops + r);
      const auto weight = [&](std::int64_t strip) {
        const __m512 power = _mm512_fmsub_ps(_mm512_load_ps(scores + strip * kTileBytes + r * kLine), factor, top);
        return exp2(masked ? Vec::select(static_cast<__mmask16>(masks[r] >> 16 * strip), power, lowest) : power);
      };
      const __m512 w0 = weight(0), w1 = weight(1), w2 = weight(2), w3 = weight(3);
      const __m512bh first = _mm512_cvtne2ps_pbh(w1, w0), second = _mm512_cvtne2ps_pbh(w3, w2);
      _mm512_store_si512(weights + r * kLine, (__m512i)first);
      _mm512_store_si512(weights + kTileBytes + r * kLine, (__m512i)second);
      Vec::store(lines + r * 16, _mm512_dpbf16_ps(_mm512_dpbf16_ps(Vec::zero(), first, ones), second, ones));
    }
    Vec::store(state.totals, Vec::add(totals, reduce<Add>([&](std::int64_t r) { return Vec::load(lines + r * 16); })));
    return moved;
  }

 private:
  template <class Join>
  static __m512 halves(__m512 a, __m512 b) noexcept {
    return Join::join(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  }
  template <class Join>
  static __m512 pairs(__m512 a, __m512 b) noexcept {
    return Join::join(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
  }
};

}  // namespace
}  // namespace ganglion::kernels
