#include "kernels/vector/turn.h"

#include "kernels/avx512/kernels.h"

namespace ganglion::kernels::avx512 {

void turn_columns(const std::uint16_t* rows, std::int64_t stride, std::uint16_t* out, std::int64_t width,
                  std::int64_t count) noexcept {
  turn_sixteen_columns(rows, stride, out, width, count);
}

}  // namespace ganglion::kernels::avx512
