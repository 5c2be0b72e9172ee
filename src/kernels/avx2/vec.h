// Eight floats in an AVX2 register, under the names that the algorithms in vector/ use. Everything has internal
// linkage: a function compiled with AVX2 flags must never be merged by the linker with one that other files call.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/table.h"

namespace ganglion::kernels {
namespace {

struct Vec {
  using Reg = __m256;
  using Mask = __m256;  // all bits of a lane
  static constexpr std::int64_t kLanes = 8;

  static Reg zero() noexcept { return _mm256_setzero_ps(); }
  static Reg all(float x) noexcept { return _mm256_set1_ps(x); }
  static Reg all_of(const float* x) noexcept { return _mm256_broadcast_ss(x); }
  static Reg load(const float* x) noexcept { return _mm256_loadu_ps(x); }
  static void store(float* out, Reg x) noexcept { _mm256_storeu_ps(out, x); }

  static Reg add(Reg a, Reg b) noexcept { return _mm256_add_ps(a, b); }
  static Reg sub(Reg a, Reg b) noexcept { return _mm256_sub_ps(a, b); }
  static Reg mul(Reg a, Reg b) noexcept { return _mm256_mul_ps(a, b); }
  static Reg div(Reg a, Reg b) noexcept { return _mm256_div_ps(a, b); }
  static Reg sqrt(Reg a) noexcept { return _mm256_sqrt_ps(a); }
  static Reg fma(Reg a, Reg b, Reg c) noexcept { return _mm256_fmadd_ps(a, b, c); }
  // When either is NaN, both give b.
  static Reg max(Reg a, Reg b) noexcept { return _mm256_max_ps(a, b); }
  static Reg min(Reg a, Reg b) noexcept { return _mm256_min_ps(a, b); }
  static Reg round(Reg a) noexcept { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static Reg sign(Reg a) noexcept { return _mm256_and_ps(a, all(-0.0f)); }
  static Reg abs(Reg a) noexcept { return _mm256_andnot_ps(all(-0.0f), a); }
  static Reg flip(Reg a, Reg signs) noexcept { return _mm256_xor_ps(a, signs); }

  static Mask less(Reg a, Reg b) noexcept { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  static Mask is_nan(Reg a) noexcept { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
  static Reg select(Mask mask, Reg yes, Reg no) noexcept { return _mm256_blendv_ps(no, yes, mask); }
  // Lanes 0..count-1; every lane when count >= kLanes, none when count <= 0.
  static Mask first(std::int64_t count) noexcept {
    const auto bounded = static_cast<int>(count > kLanes ? kLanes : count);
    return _mm256_castsi256_ps(
        _mm256_cmpgt_epi32(_mm256_set1_epi32(bounded), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
  }
  // The first `count` lanes only, 0 <= count <= kLanes; the others are zero, and their memory is not touched.
  static Reg load_first(const float* x, std::int64_t count) noexcept {
    return _mm256_maskload_ps(x, _mm256_castps_si256(first(count)));
  }
  static void store_first(float* out, Reg x, std::int64_t count) noexcept {
    _mm256_maskstore_ps(out, _mm256_castps_si256(first(count)), x);
  }

  // Pairs of neighbouring lanes: (b, a) for (a, b); (x0, x0, x1, x1, ...) of the lower half; -0 in lanes 0, 2, ...
  static Reg swap_neighbours(Reg a) noexcept { return _mm256_permute_ps(a, 0xb1); }
  static Reg twice(Reg a) noexcept { return _mm256_permutevar8x32_ps(a, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3)); }
  static Reg even_signs() noexcept { return _mm256_setr_ps(-0.0f, 0, -0.0f, 0, -0.0f, 0, -0.0f, 0); }

  // x * 2^n for whole n in [-150, 128], rounded once where it is subnormal, |x| in [1/2, 2].
  static Reg times_power_of_two(Reg x, Reg n) noexcept {
    // In two factors: 2^-150 is no normal float.
    const Reg half = round(mul(n, all(0.5f)));
    return mul(mul(x, power_of_two(half)), power_of_two(sub(n, half)));
  }
  // Added to a float from -127 to 0 it leaves the nearest whole number + 127 in the lowest bits: the exponent's.
  static constexpr float kCountBias = 0x1.8p23f + 127.0f;
  // 2^n for x = n + kCountBias, n in [-126, 0]; 0 for n = -127.
  static Reg two_to_counted(Reg x) noexcept {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(x), 23));
  }
  // For finite normal x > 0: x = fraction * 2^exponent with fraction in [sqrt 1/2, sqrt 2).
  static Reg exponent(Reg x) noexcept {
    const __m256i above = _mm256_sub_epi32(_mm256_castps_si256(x), _mm256_set1_epi32(kRootHalf));
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(above, 23));
  }
  static Reg fraction(Reg x) noexcept {
    const __m256i above = _mm256_sub_epi32(_mm256_castps_si256(x), _mm256_set1_epi32(kRootHalf));
    const __m256i inside = _mm256_and_si256(above, _mm256_set1_epi32(0x7fffff));
    return _mm256_castsi256_ps(_mm256_add_epi32(inside, _mm256_set1_epi32(kRootHalf)));
  }

  static float reduce_add(Reg a) noexcept {
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
  }
  static float reduce_max(Reg a) noexcept {  // of lanes without NaN
    __m128 top = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    top = _mm_max_ps(top, _mm_movehl_ps(top, top));
    return _mm_cvtss_f32(_mm_max_ss(top, _mm_movehdup_ps(top)));
  }
  static float lane(Reg a) noexcept { return _mm256_cvtss_f32(a); }  // lane 0
  static double root(double x) noexcept {
    const __m128d value = _mm_set_sd(x);
    return _mm_cvtsd_f64(_mm_sqrt_sd(value, value));
  }

  // Four sums in double precision: total += x, total += x^2.
  using Doubles = __m256d;
  static Doubles no_doubles() noexcept { return _mm256_setzero_pd(); }
  static Doubles add_doubles(Doubles total, Reg x) noexcept {
    return _mm256_add_pd(
        total, _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))));
  }
  static Doubles add_squares(Doubles total, Reg x) noexcept {
    const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
    const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
    return _mm256_fmadd_pd(high, high, _mm256_fmadd_pd(low, low, total));
  }
  static double reduce_doubles(Doubles total) noexcept {
    const __m128d sum = _mm_add_pd(_mm256_castpd256_pd128(total), _mm256_extractf128_pd(total, 1));
    return _mm_cvtsd_f64(_mm_add_sd(sum, _mm_unpackhi_pd(sum, sum)));
  }

  // Sixteen-bit elements, as many as lanes.
  using Halves = __m128i;
  static Halves load_halves(const std::uint16_t* x) noexcept {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  }
  static void store_halves(std::uint16_t* out, Halves x) noexcept {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), x);
  }
  static Halves load_first_halves(const std::uint16_t* x, std::int64_t count) noexcept {
    alignas(16) std::uint16_t lanes[kLanes] = {};
    for (std::int64_t i = 0; i < count; ++i) lanes[i] = x[i];
    return _mm_load_si128(reinterpret_cast<const __m128i*>(lanes));
  }
  static void store_first_halves(std::uint16_t* out, Halves x, std::int64_t count) noexcept {
    alignas(16) std::uint16_t lanes[kLanes];
    _mm_store_si128(reinterpret_cast<__m128i*>(lanes), x);
    for (std::int64_t i = 0; i < count; ++i) out[i] = lanes[i];
  }
  static Reg from_f16(Halves x) noexcept { return _mm256_cvtph_ps(x); }
  static Halves to_f16(Reg x) noexcept { return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }
  static Reg from_bf16(Halves x) noexcept {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
  }
  static Halves to_bf16(Reg x) noexcept {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i high = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
    const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    const __m256i words = _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(is_nan(x)));
    return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  }

  // Eight-bit whole numbers, as many as lanes.
  static Reg load_s8(const std::int8_t* x) noexcept {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x))));
  }
  static Reg load_first_s8(const std::int8_t* x, std::int64_t count) noexcept {
    alignas(8) std::int8_t lanes[kLanes] = {};
    for (std::int64_t i = 0; i < count; ++i) lanes[i] = x[i];
    return load_s8(lanes);
  }
  static void store_s8(std::int8_t* out, Reg x) noexcept {  // whole numbers -128..127
    const __m256i wide = _mm256_cvtps_epi32(x);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packs_epi16(words, words));
  }
  static void store_first_s8(std::int8_t* out, Reg x, std::int64_t count) noexcept {
    alignas(8) std::int8_t lanes[kLanes];
    store_s8(lanes, x);
    for (std::int64_t i = 0; i < count; ++i) out[i] = lanes[i];
  }
  // Four-bit whole numbers, two in each of as many bytes as lanes.
  static void load_s4(const std::uint8_t* x, Reg& low, Reg& high) noexcept {
    const __m256i pairs = _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x)));
    low = _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(pairs, 28), 28));
    high = _mm256_cvtepi32_ps(_mm256_srai_epi32(pairs, 4));
  }

 private:
  // 2^n for whole n in [-126, 127].
  static Reg power_of_two(Reg n) noexcept {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
  }
  static constexpr int kRootHalf = 0x3f3504f3;  // sqrt(1/2)
};

}  // namespace
}  // namespace ganglion::kernels
