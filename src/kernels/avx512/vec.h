// Sixteen floats in an AVX-512 register (F, BW, DQ, VL), under the names that the algorithms in vector/ use. Everything
// has internal linkage: a function compiled with AVX-512 flags must never be merged by the linker with one that other
// files call.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/table.h"

namespace ganglion::kernels {
namespace {

struct Vec {
  using Reg = __m512;
  using Mask = __mmask16;
  static constexpr std::int64_t kLanes = 16;

  static Reg zero() noexcept { return _mm512_setzero_ps(); }
  static Reg all(float x) noexcept { return _mm512_set1_ps(x); }
  static Reg all_of(const float* x) noexcept { return _mm512_set1_ps(*x); }
  static Reg load(const float* x) noexcept { return _mm512_loadu_ps(x); }
  static void store(float* out, Reg x) noexcept { _mm512_storeu_ps(out, x); }

  static Reg add(Reg a, Reg b) noexcept { return _mm512_add_ps(a, b); }
  static Reg sub(Reg a, Reg b) noexcept { return _mm512_sub_ps(a, b); }
  static Reg mul(Reg a, Reg b) noexcept { return _mm512_mul_ps(a, b); }
  static Reg div(Reg a, Reg b) noexcept { return _mm512_div_ps(a, b); }
  static Reg sqrt(Reg a) noexcept { return _mm512_sqrt_ps(a); }
  static Reg fma(Reg a, Reg b, Reg c) noexcept { return _mm512_fmadd_ps(a, b, c); }
  // When either is NaN, both give b.
  static Reg max(Reg a, Reg b) noexcept { return _mm512_max_ps(a, b); }
  static Reg min(Reg a, Reg b) noexcept { return _mm512_min_ps(a, b); }
  static Reg round(Reg a) noexcept { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static Reg sign(Reg a) noexcept { return _mm512_and_ps(a, all(-0.0f)); }
  static Reg abs(Reg a) noexcept { return _mm512_andnot_ps(all(-0.0f), a); }
  static Reg flip(Reg a, Reg signs) noexcept { return _mm512_xor_ps(a, signs); }

  static Mask less(Reg a, Reg b) noexcept { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static Mask is_nan(Reg a) noexcept { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
  static Reg select(Mask mask, Reg yes, Reg no) noexcept { return _mm512_mask_blend_ps(mask, no, yes); }
  // Lanes 0..count-1; every lane when count >= kLanes, none when count <= 0.
  static Mask first(std::int64_t count) noexcept {
    if (count >= kLanes) return kAll;
    return count <= 0 ? Mask{0} : static_cast<Mask>((1u << count) - 1u);
  }
  // The first `count` lanes only, 0 <= count <= kLanes; the others are zero, and their memory is not touched.
  static Reg load_first(const float* x, std::int64_t count) noexcept { return _mm512_maskz_loadu_ps(first(count), x); }
  static void store_first(float* out, Reg x, std::int64_t count) noexcept {
    _mm512_mask_storeu_ps(out, first(count), x);
  }

  // Pairs of neighbouring lanes: (b, a) for (a, b); (x0, x0, x1, x1, ...) of the lower half; -0 in lanes 0, 2, ...
  static Reg swap_neighbours(Reg a) noexcept { return _mm512_permute_ps(a, 0xb1); }
  static Reg twice(Reg a) noexcept {
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), a);
  }
  static Reg even_signs() noexcept { return _mm512_castsi512_ps(_mm512_set1_epi64(0x80000000)); }

  // x * 2^n for whole n in [-150, 128], rounded once where it is subnormal, |x| in [1/2, 2].
  static Reg times_power_of_two(Reg x, Reg n) noexcept { return _mm512_scalef_ps(x, n); }
  // Added to a float from -127 to 0 it leaves the nearest whole number + 127 in the lowest bits: the exponent's.
  static constexpr float kCountBias = 0x1.8p23f + 127.0f;
  // 2^n for x = n + kCountBias, n in [-126, 0]; 0 for n = -127.
  static Reg two_to_counted(Reg x) noexcept {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(x), 23));
  }
  // For finite normal x > 0: x = fraction * 2^exponent with fraction in [sqrt 1/2, sqrt 2).
  static Reg exponent(Reg x) noexcept {
    const __m512i above = _mm512_sub_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(kRootHalf));
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(above, 23));
  }
  static Reg fraction(Reg x) noexcept {
    const __m512i above = _mm512_sub_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(kRootHalf));
    const __m512i inside = _mm512_and_si512(above, _mm512_set1_epi32(0x7fffff));
    return _mm512_castsi512_ps(_mm512_add_epi32(inside, _mm512_set1_epi32(kRootHalf)));
  }

  static float reduce_add(Reg a) noexcept {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(a), high(a));
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
  }
  static float reduce_max(Reg a) noexcept {  // of lanes without NaN
    const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(a), high(a));
    __m128 top = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    top = _mm_max_ps(top, _mm_movehl_ps(top, top));
    return _mm_cvtss_f32(_mm_max_ss(top, _mm_movehdup_ps(top)));
  }
  static float lane(Reg a) noexcept { return _mm512_cvtss_f32(a); }  // lane 0
  static double root(double x) noexcept {
    const __m128d value = _mm_set_sd(x);
    return _mm_cvtsd_f64(_mm_sqrt_sd(value, value));
  }

  // Eight sums in double precision: total += x, total += x^2.
  using Doubles = __m512d;
  static Doubles no_doubles() noexcept { return _mm512_setzero_pd(); }
  static Doubles add_doubles(Doubles total, Reg x) noexcept {
    return _mm512_add_pd(total, _mm512_add_pd(widen(_mm512_castps512_ps256(x)), widen(high(x))));
  }
  static Doubles add_squares(Doubles total, Reg x) noexcept {
    const __m512d low = widen(_mm512_castps512_ps256(x));
    const __m512d top = widen(high(x));
    return _mm512_fmadd_pd(top, top, _mm512_fmadd_pd(low, low, total));
  }
  static double reduce_doubles(Doubles total) noexcept {
    const __m256d half = _mm256_add_pd(_mm512_castpd512_pd256(total), _mm512_extractf64x4_pd(total, 1));
    const __m128d sum = _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
    return _mm_cvtsd_f64(_mm_add_sd(sum, _mm_unpackhi_pd(sum, sum)));
  }

  // Sixteen-bit elements, as many as lanes.
  using Halves = __m256i;
  static Halves load_halves(const std::uint16_t* x) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  }
  static void store_halves(std::uint16_t* out, Halves x) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), x);
  }
  static Halves load_first_halves(const std::uint16_t* x, std::int64_t count) noexcept {
    return _mm256_maskz_loadu_epi16(first(count), x);
  }
  static void store_first_halves(std::uint16_t* out, Halves x, std::int64_t count) noexcept {
    _mm256_mask_storeu_epi16(out, first(count), x);
  }
  static Reg from_f16(Halves x) noexcept { return _mm512_cvtph_ps(x); }
  static Halves to_f16(Reg x) noexcept { return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }
  static Reg from_bf16(Halves x) noexcept {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
  }
  static Halves to_bf16(Reg x) noexcept {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i top = _mm512_srli_epi32(bits, 16);
    const __m512i odd = _mm512_and_si512(top, _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd), 16);
    const __m512i quiet = _mm512_or_si512(top, _mm512_set1_epi32(0x40));
    return _mm512_cvtepi32_epi16(_mm512_mask_blend_epi32(is_nan(x), rounded, quiet));
  }

  // Eight-bit whole numbers, as many as lanes.
  static Reg load_s8(const std::int8_t* x) noexcept {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))));
  }
  static Reg load_first_s8(const std::int8_t* x, std::int64_t count) noexcept {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(first(count), x)));
  }
  static void store_s8(std::int8_t* out, Reg x) noexcept {  // whole numbers -128..127
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x)));
  }
  static void store_first_s8(std::int8_t* out, Reg x, std::int64_t count) noexcept {
    _mm_mask_storeu_epi8(out, first(count), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x)));
  }
  // Four-bit whole numbers, two in each of as many bytes as lanes.
  static void load_s4(const std::uint8_t* x, Reg& low, Reg& high) noexcept {
    const __m512 numbers = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
    const __m512i pairs = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
    low = _mm512_permutexvar_ps(pairs, numbers);  // by the low four bits of each lane
    high = _mm512_permutexvar_ps(_mm512_srli_epi32(pairs, 4), numbers);
  }

 private:
  static constexpr int kRootHalf = 0x3f3504f3;  // sqrt(1/2)
  static constexpr Mask kAll = 0xffff;
  static __m256 high(Reg a) noexcept { return _mm512_extractf32x8_ps(a, 1); }
  static __m512d widen(__m256 x) noexcept { return _mm512_cvtps_pd(x); }
};

}  // namespace
}  // namespace ganglion::kernels
