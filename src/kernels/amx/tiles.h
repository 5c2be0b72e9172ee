// The eight tile registers of AMX, as a matmul uses them: C in tiles 0 to 3, A in 4 and 5, B in 6 and 7. A tile has up
// to 16 rows of 64 bytes. Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.
#pragma once

#include <cstdint>

#include "kernels/amx/instructions.h"

namespace ganglion::kernels {
namespace {

inline constexpr std::int64_t kTileRows = 16;
inline constexpr std::int64_t kTileBytes = 1024;

// Holds the configuration for a call: rows of A and C, 1 to 16, and the bytes of k in a row of A, four to a row of B.
// Without one at the end, the system does not save eight kilobytes at every change of threads.
class TileConfig {
 public:
  explicit TileConfig(std::int64_t rows, std::int64_t depth = 64) noexcept {
    struct alignas(64) {
      std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
      std::uint16_t row_bytes[16] = {};
      std::uint8_t rows[16] = {};
    } config;
    for (int tile = 0; tile < 8; ++tile) {
      config.row_bytes[tile] = tile == 4 || tile == 5 ? static_cast<std::uint16_t>(depth) : std::uint16_t{64};
      config.rows[tile] = static_cast<std::uint8_t>(tile < 6 ? rows : depth / 4);
    }
    // The compiler does not know that the instruction reads this, nor that tiles are loaded from memory.
    asm volatile("" ::"m"(config) : "memory");
    _tile_loadconfig(&config);
  }
  ~TileConfig() { _tile_release(); }
  TileConfig(const TileConfig&) = delete;
};

}  // namespace
}  // namespace ganglion::kernels
