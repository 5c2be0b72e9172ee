#include "kernels/avx512/matmul.h"

#include "kernels/avx512/kernels.h"

namespace ganglion::kernels::avx512 {

template <Storage S>
void matmul(const MatmulArgs& args) noexcept {
  static_assert(Avx512Matmul<S>::kWidth == kPanelWidth);
  Avx512Matmul<S>::run(args);
}

template void matmul<Storage::kF32>(const MatmulArgs&) noexcept;
template void matmul<Storage::kF16>(const MatmulArgs&) noexcept;
template void matmul<Storage::kBF16>(const MatmulArgs&) noexcept;
template void matmul<Storage::kS8>(const MatmulArgs&) noexcept;
template void matmul<Storage::kS4>(const MatmulArgs&) noexcept;

std::int64_t matmul_scratch(Storage, std::int64_t rows, std::int64_t) noexcept {
  return Avx512Matmul<Storage::kF32>::scratch(rows);  // every storage is summed in the same walk
}

}  // namespace ganglion::kernels::avx512
