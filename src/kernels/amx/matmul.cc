#include "kernels/amx/matmul.h"

#include "kernels/amx/grouped_matmul.h"
#include "kernels/amx/kernels.h"
#include "kernels/amx/whole_matmul.h"
#include "kernels/avx512_vnni/kernels.h"

namespace ganglion::kernels::amx {

template <Storage S>
void matmul(const MatmulArgs& args) noexcept {
  if constexpr (S == Storage::kS8) {
    WholeMatmul<S>::run(args, WholeTiles::many, WholeTiles::kMostRows);
  } else if constexpr (S == Storage::kS4) {
    WholeMatmul<S>::run(args, GroupedTiles::many, WholeMatmul<S>::most_rows(args.k));
  } else {
    TileMatmul<S>::run(args);
  }
}

template void matmul<Storage::kF16>(const MatmulArgs&) noexcept;
template void matmul<Storage::kBF16>(const MatmulArgs&) noexcept;
template void matmul<Storage::kS8>(const MatmulArgs&) noexcept;
template void matmul<Storage::kS4>(const MatmulArgs&) noexcept;

std::int64_t matmul_scratch(Storage storage, std::int64_t rows, std::int64_t k) noexcept {
  if (storage == Storage::kF16) return TileMatmul<Storage::kF16>::scratch(rows, k);
  if (storage == Storage::kBF16) return TileMatmul<Storage::kBF16>::scratch(rows, k);
  if (storage == Storage::kS8) return WholeTiles::scratch(rows, k);
  return avx512_vnni::matmul_scratch(storage, rows, k);
}

std::int64_t prepared_bytes(Storage storage, std::int64_t rows, std::int64_t k, std::int64_t group) noexcept {
  if (storage == Storage::kF16) return TileMatmul<Storage::kF16>::prepared_bytes(rows, k);
  if (storage == Storage::kBF16) return TileMatmul<Storage::kBF16>::prepared_bytes(rows, k);
  return avx512_vnni::prepared_bytes(storage, rows, k, group);
}

void prepare_rows(Storage storage, const PrepareArgs& args) noexcept {
  if (storage == Storage::kF16) return TileRows<Storage::kF16>::prepare(args);
  if (storage == Storage::kBF16) return TileRows<Storage::kBF16>::prepare(args);
  avx512_vnni::prepare_rows(storage, args);
}

}  // namespace ganglion::kernels::amx
