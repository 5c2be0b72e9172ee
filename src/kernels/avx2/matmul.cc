#include "kernels/vector/matmul.h"

#include "kernels/avx2/kernels.h"
#include "kernels/avx2/vec.h"

namespace ganglion::kernels::avx2 {

// 6 rows by two vectors of sums; slices of 256 steps, 16 KiB.
template <Storage S>
void matmul(const MatmulArgs& args) noexcept {
  using Walk = Matmul<Vec, S, 6, 256>;
  static_assert(Walk::kWidth == kPanelWidth);
  Walk::run(args);
}

template void matmul<Storage::kF32>(const MatmulArgs&) noexcept;
template void matmul<Storage::kF16>(const MatmulArgs&) noexcept;
template void matmul<Storage::kBF16>(const MatmulArgs&) noexcept;
template void matmul<Storage::kS8>(const MatmulArgs&) noexcept;
template void matmul<Storage::kS4>(const MatmulArgs&) noexcept;

}  // namespace ganglion::kernels::avx2
