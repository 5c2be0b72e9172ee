// Whole numbers and their scales, for a vector type V: bit for bit what scalar/quantize.cc says, because sums are kept
// in eight lanes as there and added up in the same order.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/table.h"

namespace ganglion::kernels {
namespace {

// To the nearest whole number, ties to even, within low..high; a NaN stays one.
template <class V>
typename V::Reg number_within(typename V::Reg x, float low, float high) noexcept {
  const auto shift = V::all(0x1.8p23f);
  return V::min(V::all(high), V::max(V::all(low), V::sub(V::add(x, shift), shift)));
}

inline float inverse_of_scale(float scale) noexcept {
  constexpr float kSmallest = 0x1p-126f;
  return scale >= kSmallest || scale <= -kSmallest ? 1.0f / scale : 0.0f;
}

template <class V>
void round_row(const float* x, float scale, float low, float high, std::int8_t* numbers, std::int64_t count) noexcept {
  const auto inverse = V::all(inverse_of_scale(scale));
  std::int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes)
    V::store_s8(numbers + i, number_within<V>(V::mul(V::load(x + i), inverse), low, high));
  if (i == count) return;
  const auto rest = number_within<V>(V::mul(V::load_first(x + i, count - i), inverse), low, high);
  V::store_first_s8(numbers + i, rest, count - i);
}

template <class V>
float largest_magnitude(const float* x, std::int64_t count) noexcept {
  auto top = V::zero(), not_finite = V::zero();
  const auto take = [&](typename V::Reg value) noexcept {
    top = V::max(V::abs(value), top);
    not_finite = V::add(not_finite, V::mul(value, V::zero()));
  };
  std::int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) take(V::load(x + i));
  if (i < count) take(V::load_first(x + i, count - i));
  const float nothing = V::reduce_add(not_finite);
  return nothing != nothing ? nothing : V::reduce_max(top);
}

// For each of four rows of eight lanes, their sum from the first to the last.
inline __m128 lane_sums(const __m256* rows) noexcept {
  const __m256 a = _mm256_unpacklo_ps(rows[0], rows[1]), b = _mm256_unpackhi_ps(rows[0], rows[1]);
  const __m256 c = _mm256_unpacklo_ps(rows[2], rows[3]), d = _mm256_unpackhi_ps(rows[2], rows[3]);
  const __m256 turned[] = {_mm256_shuffle_ps(a, c, 0x44), _mm256_shuffle_ps(a, c, 0xee), _mm256_shuffle_ps(b, d, 0x44),
                           _mm256_shuffle_ps(b, d, 0xee)};
  __m128 sum = _mm_setzero_ps();
  for (const __m256 lane : turned) sum = _mm_add_ps(sum, _mm256_castps256_ps128(lane));
  for (const __m256 lane : turned) sum = _mm_add_ps(sum, _mm256_extractf128_ps(lane, 1));
  return sum;
}

inline float largest_of_group(const float* x, std::int64_t group) noexcept {
  __m256 low = _mm256_setzero_ps(), high = low;
  for (std::int64_t i = 0; i < group; i += 8) {
    const __m256 value = _mm256_loadu_ps(x + i);
    low = _mm256_min_ps(low, value);
    high = _mm256_max_ps(high, value);
  }
  // The lows as magnitudes beside the highs: one reduction finds both.
  const __m256 lows = _mm256_sub_ps(_mm256_setzero_ps(), low);
  __m256 both = _mm256_max_ps(_mm256_permute2f128_ps(lows, high, 0x20), _mm256_permute2f128_ps(lows, high, 0x31));
  both = _mm256_max_ps(both, _mm256_permute_ps(both, 0x4e));
  both = _mm256_max_ps(both, _mm256_permute_ps(both, 0xb1));
  const float lowest = _mm256_cvtss_f32(both), highest = _mm_cvtss_f32(_mm256_extractf128_ps(both, 1));
  return lowest > highest ? -lowest : highest;
}

inline __m128 is_usable(__m128 scales) noexcept {
  return _mm_cmpge_ps(_mm_andnot_ps(_mm_set1_ps(-0.0f), scales), _mm_set1_ps(0x1p-126f));
}

// To bf16 and back, nearest even, of what is not NaN.
inline __m128i bf16_bits(__m128 x) noexcept {
  const __m128i bits = _mm_castps_si128(x);
  const __m128i odd = _mm_and_si128(_mm_srli_epi32(bits, 16), _mm_set1_epi32(1));
  return _mm_srli_epi32(_mm_add_epi32(_mm_add_epi32(bits, _mm_set1_epi32(0x7fff)), odd), 16);
}

// The four beginnings side by side: kEach of them in a register of V, eight lanes for each. `load_eight` gives each the
// same eight values, `spread` its own one of kEach values, and `part` takes its lanes out. kGroups groups go together,
// because each alone is one long chain of operations that wait for each other.
template <class V, int kGroups>
struct SearchS4 {
  static constexpr int kRegisters = 4 / V::kEach;
  using Reg = typename V::Reg;
  struct Registers {
    Reg of[kRegisters];
  };

  static Registers spread(__m128 values) noexcept {
    alignas(16) float each[4];
    _mm_store_ps(each, values);
    Registers out;
    for (int r = 0; r < kRegisters; ++r) out.of[r] = V::spread(each + r * V::kEach);
    return out;
  }
  static Registers zeros() noexcept {
    Registers out;
    for (int r = 0; r < kRegisters; ++r) out.of[r] = V::zero();
    return out;
  }
  static __m128 sums(const Registers& lanes) noexcept {
    __m256 rows[4];
    for (int r = 0; r < kRegisters; ++r) {
      for (int e = 0; e < V::kEach; ++e) rows[r * V::kEach + e] = V::part(lanes.of[r], e);
    }
    return lane_sums(rows);
  }
  static Reg number(Reg value, Reg inverse) noexcept { return number_within<V>(V::mul(value, inverse), -8.0f, 7.0f); }

  static void scales(const float* x, std::uint16_t* out, std::int64_t group) noexcept {
    const __m128 one = _mm_set1_ps(1.0f);
    float top[kGroups];
    __m128 first[kGroups], square[kGroups], fitted[kGroups];
    __m128i bits[kGroups];
    Registers inverse[kGroups], products[kGroups], squares[kGroups];
    for (int g = 0; g < kGroups; ++g) {
      top[g] = largest_of_group(x + g * group, group);
      first[g] = _mm_div_ps(_mm_set1_ps(top[g]), _mm_setr_ps(-6.75f, -7.5f, -8.25f, -9.0f));
      inverse[g] = spread(_mm_div_ps(one, first[g]));
      products[g] = squares[g] = zeros();
    }
    for (std::int64_t i = 0; i < group; i += 8) {
      for (int g = 0; g < kGroups; ++g) {
        const Reg value = V::load_eight(x + g * group + i);
        for (int r = 0; r < kRegisters; ++r) {
          const Reg whole = number(value, inverse[g].of[r]);
          products[g].of[r] = V::add(products[g].of[r], V::mul(whole, value));
          squares[g].of[r] = V::add(squares[g].of[r], V::mul(whole, whole));
        }
      }
    }
    Registers scale[kGroups], errors[kGroups];
    for (int g = 0; g < kGroups; ++g) {
      square[g] = sums(squares[g]);
      bits[g] = bf16_bits(_mm_div_ps(sums(products[g]), square[g]));
      fitted[g] = _mm_castsi128_ps(_mm_slli_epi32(bits[g], 16));
      scale[g] = spread(fitted[g]);
      inverse[g] = spread(_mm_div_ps(one, fitted[g]));
      errors[g] = zeros();
    }
    for (std::int64_t i = 0; i < group; i += 8) {
      for (int g = 0; g < kGroups; ++g) {
        const Reg value = V::load_eight(x + g * group + i);
        for (int r = 0; r < kRegisters; ++r) {
          const Reg error = V::sub(value, V::mul(number(value, inverse[g].of[r]), scale[g].of[r]));
          errors[g].of[r] = V::add(errors[g].of[r], V::mul(error, error));
        }
      }
    }
    for (int g = 0; g < kGroups; ++g) {
      const __m128 valid =
          _mm_and_ps(_mm_and_ps(is_usable(first[g]), is_usable(fitted[g])), _mm_cmpneq_ps(square[g], _mm_setzero_ps()));
      out[g] = least_of(sums(errors[g]), valid, bits[g], top[g]);
    }
  }

  // What is not valid, or NaN, is as bad as can be; of equals the first wins.
  static std::uint16_t least_of(__m128 errors, __m128 valid, __m128i bits, float top) noexcept {
    const __m128 infinity = _mm_set1_ps(__builtin_inff());
    const __m128 found = _mm_min_ps(_mm_blendv_ps(infinity, errors, valid), infinity);
    __m128 least = _mm_min_ps(found, _mm_shuffle_ps(found, found, 0x4e));
    least = _mm_min_ps(least, _mm_shuffle_ps(least, least, 0xb1));
    const __m128 is_least = _mm_and_ps(_mm_cmpeq_ps(found, least), _mm_cmplt_ps(found, infinity));
    const int which = _mm_movemask_ps(is_least);
    if (which == 0) return plain_scale(top / -8.0f);
    alignas(16) std::uint32_t each[4];
    _mm_store_si128(reinterpret_cast<__m128i*>(each), bits);
    return static_cast<std::uint16_t>(each[__builtin_ctz(static_cast<unsigned>(which))]);
  }
  static std::uint16_t plain_scale(float scale) noexcept {
    if (inverse_of_scale(scale) == 0.0f) return 0;
    return static_cast<std::uint16_t>(_mm_cvtsi128_si32(bf16_bits(_mm_set_ss(scale))));
  }
};

template <class V>
void search_s4(const float* x, std::uint16_t* scales, std::int64_t groups, std::int64_t group) noexcept {
  constexpr int kTogether = V::kTogether;
  std::int64_t g = 0;
  for (; g + kTogether <= groups; g += kTogether) SearchS4<V, kTogether>::scales(x + g * group, scales + g, group);
  for (; g < groups; ++g) SearchS4<V, 1>::scales(x + g * group, scales + g, group);
}

template <class V>
void round_s4(const float* x, const std::uint16_t* scales, std::int8_t* numbers, std::int64_t groups,
              std::int64_t group) noexcept {
  for (std::int64_t g = 0; g < groups; ++g) {
    const float scale = __builtin_bit_cast(float, static_cast<std::uint32_t>(scales[g]) << 16);
    round_row<V>(x + g * group, scale, -8.0f, 7.0f, numbers + g * group, group);
  }
}

}  // namespace
}  // namespace ganglion::kernels
