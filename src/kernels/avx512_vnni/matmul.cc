#include "kernels/avx512_vnni/matmul.h"

#include "kernels/avx512/kernels.h"
#include "kernels/avx512_vnni/kernels.h"

namespace ganglion::kernels::avx512_vnni {

template <Storage S>
void matmul(const MatmulArgs& args) noexcept {
  using M = WholeMatmul<S>;
  M::run(args, M::many, M::most_rows(args.k));
}

template void matmul<Storage::kS8>(const MatmulArgs&) noexcept;
template void matmul<Storage::kS4>(const MatmulArgs&) noexcept;

std::int64_t matmul_scratch(Storage storage, std::int64_t rows, std::int64_t k) noexcept {
  if (storage == Storage::kS8) return WholeMatmul<Storage::kS8>::scratch(rows, k);
  if (storage == Storage::kS4) return WholeMatmul<Storage::kS4>::scratch(rows, k);
  return avx512::matmul_scratch(storage, rows, k);
}

std::int64_t prepared_bytes(Storage storage, std::int64_t rows, std::int64_t k, std::int64_t group) noexcept {
  if (storage == Storage::kS8) return WholeMatmul<Storage::kS8>::prepared_bytes(rows, k, group);
  if (storage == Storage::kS4) return WholeMatmul<Storage::kS4>::prepared_bytes(rows, k, group);
  return 0;
}

void prepare_rows(Storage storage, const PrepareArgs& args) noexcept {
  if (storage == Storage::kS8) WholeMatmul<Storage::kS8>::prepare(args);
  if (storage == Storage::kS4) WholeMatmul<Storage::kS4>::prepare(args);
}

}  // namespace ganglion::kernels::avx512_vnni
