#include "kernels/vector/quantize.h"

#include "kernels/avx512/kernels.h"
#include "kernels/avx512/vec.h"

namespace ganglion::kernels::avx512 {
namespace {

// Two beginnings of the search in a register.
struct Beginnings : Vec {
  static constexpr int kEach = 2;
  static constexpr int kTogether = 4;
  static Reg load_eight(const float* x) noexcept { return _mm512_broadcast_f32x8(_mm256_loadu_ps(x)); }
  static Reg spread(const float* x) noexcept {
    return _mm512_insertf32x8(_mm512_set1_ps(x[0]), _mm256_set1_ps(x[1]), 1);
  }
  static __m256 part(Reg x, int which) noexcept {
    return which == 0 ? _mm512_castps512_ps256(x) : _mm512_extractf32x8_ps(x, 1);
  }
};

}  // namespace

float largest_magnitude(const float* x, std::int64_t count) noexcept {
  return kernels::largest_magnitude<Vec>(x, count);
}

void round_s8(const float* x, float scale, std::int8_t* numbers, std::int64_t count) noexcept {
  round_row<Vec>(x, scale, -127.0f, 127.0f, numbers, count);
}

void search_s4(const float* x, std::uint16_t* scales, std::int64_t groups, std::int64_t group) noexcept {
  kernels::search_s4<Beginnings>(x, scales, groups, group);
}

void round_s4(const float* x, const std::uint16_t* scales, std::int8_t* numbers, std::int64_t groups,
              std::int64_t group) noexcept {
  kernels::round_s4<Vec>(x, scales, numbers, groups, group);
}

}  // namespace ganglion::kernels::avx512
