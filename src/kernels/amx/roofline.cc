#include "kernels/amx/kernels.h"
#include "kernels/amx/tiles.h"

namespace ganglion::kernels::amx {

namespace {

void zero_tiles() noexcept {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
}

}  // namespace

double multiply_tiles(std::int64_t rounds) noexcept {
  const TileConfig config(kTileRows);
  zero_tiles();
  for (std::int64_t i = 0; i < rounds; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  return 4.0 * 2 * 16 * 16 * 32 * static_cast<double>(rounds);
}

double multiply_whole_tiles(std::int64_t rounds) noexcept {
  const TileConfig config(kTileRows);
  zero_tiles();
  for (std::int64_t i = 0; i < rounds; ++i) {
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
  }
  return 4.0 * 2 * 16 * 16 * 64 * static_cast<double>(rounds);
}

}  // namespace ganglion::kernels::amx
