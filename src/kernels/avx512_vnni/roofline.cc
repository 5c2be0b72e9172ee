#include <immintrin.h>

#include "kernels/avx512_vnni/kernels.h"

namespace ganglion::kernels::avx512_vnni {

double multiply_whole(std::int64_t rounds) noexcept {
  __m512i s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, sa, sb;
  s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = sa = sb = _mm512_setzero_si512();
  __m512i x = _mm512_set1_epi8(1), y = x;
  // Twelve chains that the compiler must not take for one.
  asm volatile(""
               : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5), "+v"(s6), "+v"(s7), "+v"(s8), "+v"(s9),
                 "+v"(sa), "+v"(sb));
  for (std::int64_t i = 0; i < rounds; ++i) {
    s0 = _mm512_dpbusd_epi32(s0, x, y), s1 = _mm512_dpbusd_epi32(s1, x, y), s2 = _mm512_dpbusd_epi32(s2, x, y);
    s3 = _mm512_dpbusd_epi32(s3, x, y), s4 = _mm512_dpbusd_epi32(s4, x, y), s5 = _mm512_dpbusd_epi32(s5, x, y);
    s6 = _mm512_dpbusd_epi32(s6, x, y), s7 = _mm512_dpbusd_epi32(s7, x, y), s8 = _mm512_dpbusd_epi32(s8, x, y);
    s9 = _mm512_dpbusd_epi32(s9, x, y), sa = _mm512_dpbusd_epi32(sa, x, y), sb = _mm512_dpbusd_epi32(sb, x, y);
    asm volatile("" : "+v"(x), "+v"(y));
  }
  asm volatile(""
               :
               : "v"(s0), "v"(s1), "v"(s2), "v"(s3), "v"(s4), "v"(s5), "v"(s6), "v"(s7), "v"(s8), "v"(s9), "v"(sa),
                 "v"(sb));
  return 2.0 * 64 * 12 * static_cast<double>(rounds);
}

}  // namespace ganglion::kernels::avx512_vnni
