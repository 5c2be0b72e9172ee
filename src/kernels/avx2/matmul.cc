#include "kernels/vector/matmul.h"

#include "kernels/avx2/kernels.h"
#include "kernels/avx2/vec.h"

namespace ganglion::kernels::avx2 {

// 6 rows by two vectors of sums; slices of 256 steps, 16 KiB; 120 rows together, whose part of x and sums take 184 KiB.
template <Storage S>
using Walk = Matmul<Vec, S, 6, 256, 120>;

template <Storage S>
void matmul(const MatmulArgs& args) noexcept {
  static_assert(Walk<S>::kWidth == kPanelWidth);
  Walk<S>::run(args);
}

template void matmul<Storage::kF32>(const MatmulArgs&) noexcept;
template void matmul<Storage::kF16>(const MatmulArgs&) noexcept;
template void matmul<Storage::kBF16>(const MatmulArgs&) noexcept;
template void matmul<Storage::kS8>(const MatmulArgs&) noexcept;
template void matmul<Storage::kS4>(const MatmulArgs&) noexcept;

std::int64_t matmul_scratch(Storage, std::int64_t rows, std::int64_t) noexcept {
  return Walk<Storage::kF32>::scratch(rows);  // every storage is summed in the same walk
}

}  // namespace ganglion::kernels::avx2
