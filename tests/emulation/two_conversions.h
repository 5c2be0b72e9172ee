// Included before a source for the emulated CPU: this version of Bochs makes both halves of VCVTNE2PS2BF16 from one
// operand. Two conversions of one operand each give what the instruction does.
#pragma once

#include <immintrin.h>

inline __m512bh two_conversions(__m512 high, __m512 low) noexcept {
  const __m512i first = _mm512_castsi256_si512((__m256i)_mm512_cvtneps_pbh(low));
  return (__m512bh)_mm512_inserti64x4(first, (__m256i)_mm512_cvtneps_pbh(high), 1);
}
#define _mm512_cvtne2ps_pbh two_conversions
