#include "kernels/vector/matmul.h"

#include "kernels/avx512/kernels.h"
#include "kernels/avx512/vec.h"

namespace ganglion::kernels::avx512 {

// 12 rows by two vectors of sums; slices of 128 steps, 16 KiB.
template <Storage S>
void matmul(const MatmulArgs& args) noexcept {
  using Walk = Matmul<Vec, S, 12, 128>;
  static_assert(Walk::kWidth == kPanelWidth);
  Walk::run(args);
}

template void matmul<Storage::kF32>(const MatmulArgs&) noexcept;
template void matmul<Storage::kF16>(const MatmulArgs&) noexcept;
template void matmul<Storage::kBF16>(const MatmulArgs&) noexcept;
template void matmul<Storage::kS8>(const MatmulArgs&) noexcept;
template void matmul<Storage::kS4>(const MatmulArgs&) noexcept;

}  // namespace ganglion::kernels::avx512
