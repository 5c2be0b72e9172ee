#include "kernels/vector/quantize.h"

#include "kernels/avx2/kernels.h"
#include "kernels/avx2/vec.h"

namespace ganglion::kernels::avx2 {
namespace {

// One beginning of the search in a register.
struct Beginnings : Vec {
  static constexpr int kEach = 1;
  static constexpr int kTogether = 4;
  static Reg load_eight(const float* x) noexcept { return load(x); }
  static Reg spread(const float* x) noexcept { return all_of(x); }
  static __m256 part(Reg x, int) noexcept { return x; }
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

}  // namespace ganglion::kernels::avx2
