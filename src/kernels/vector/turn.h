// A square of 16-bit numbers turned, for packing, in AVX2 instructions; wider tables use the same. Internal linkage:
// see avx2/vec.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace ganglion::kernels {
namespace {

// out[i * width + j] = rows[j * stride + i] for 16 columns j and `count` steps i, a multiple of 8. One half of a
// register holds rows 0 to 7, the other rows 8 to 15, so that eight steps of all sixteen are turned at once and leave
// as whole registers. What is read comes from memory and from 16 places, what is written is the next line of each step:
// both are asked for ahead of their use.
inline void turn_sixteen_columns(const std::uint16_t* rows, std::int64_t stride, std::uint16_t* out, std::int64_t width,
                                 std::int64_t count) noexcept {
  constexpr std::int64_t kAhead = 256;  // bytes
  for (std::int64_t j = 0; j < 16; ++j)
    _mm_prefetch(reinterpret_cast<const char*>(rows + j * stride) + kAhead, _MM_HINT_T0);
  for (std::int64_t i = 0; i < count; i += 8) {
    __m256i a[8], b[8];
    for (int j = 0; j < 8; ++j) {
      const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows + j * stride + i));
      const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows + (j + 8) * stride + i));
      a[j] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    }
    for (int j = 0; j < 4; ++j) {
      b[2 * j] = _mm256_unpacklo_epi16(a[2 * j], a[2 * j + 1]);
      b[2 * j + 1] = _mm256_unpackhi_epi16(a[2 * j], a[2 * j + 1]);
    }
    for (int half = 0; half < 8; half += 4) {
      a[half] = _mm256_unpacklo_epi32(b[half], b[half + 2]);
      a[half + 1] = _mm256_unpackhi_epi32(b[half], b[half + 2]);
      a[half + 2] = _mm256_unpacklo_epi32(b[half + 1], b[half + 3]);
      a[half + 3] = _mm256_unpackhi_epi32(b[half + 1], b[half + 3]);
    }
    for (int j = 0; j < 4; ++j) {
      std::uint16_t* at = out + (i + 2 * j) * width;
      asm volatile("prefetchw %0" ::"m"(at[count * width]));
      asm volatile("prefetchw %0" ::"m"(at[(count + 1) * width]));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), _mm256_unpacklo_epi64(a[j], a[j + 4]));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(at + width), _mm256_unpackhi_epi64(a[j], a[j + 4]));
    }
  }
}

}  // namespace
}  // namespace ganglion::kernels
