// In the place of src/kernels/amx/instructions.h: the same names, done by the model.
#pragma once

#include <immintrin.h>

#include "tests/tiles/tile_model.h"

#undef _tile_loadd
#undef _tile_stream_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#undef _tile_dpbssd
#undef _tile_dpbsud
#undef _tile_dpbusd
#undef _tile_dpbuud

namespace ganglion::kernels {
namespace {

// NOLINTBEGIN: the names are the compiler's.
inline void _tile_loadconfig(const void* config) noexcept { tiles::tiles().load_config(config); }
inline void _tile_release() noexcept { tiles::tiles().release(); }
inline void _tile_zero(int tile) noexcept { tiles::tiles().zero(tile); }
inline void _tile_loadd(int tile, const void* from, std::int64_t stride) noexcept {
  tiles::tiles().load(tile, from, stride);
}
inline void _tile_stream_loadd(int tile, const void* from, std::int64_t stride) noexcept {
  tiles::tiles().load(tile, from, stride);
}
inline void _tile_stored(int tile, void* to, std::int64_t stride) noexcept { tiles::tiles().store(tile, to, stride); }
inline void _tile_dpbf16ps(int c, int a, int b) noexcept { tiles::tiles().multiply_bf16(c, a, b); }
inline void _tile_dpbssd(int c, int a, int b) noexcept {
  tiles::tiles().multiply_bytes(c, a, tiles::Bytes::kSigned, b, tiles::Bytes::kSigned);
}
inline void _tile_dpbsud(int c, int a, int b) noexcept {
  tiles::tiles().multiply_bytes(c, a, tiles::Bytes::kSigned, b, tiles::Bytes::kUnsigned);
}
inline void _tile_dpbusd(int c, int a, int b) noexcept {
  tiles::tiles().multiply_bytes(c, a, tiles::Bytes::kUnsigned, b, tiles::Bytes::kSigned);
}
inline void _tile_dpbuud(int c, int a, int b) noexcept {
  tiles::tiles().multiply_bytes(c, a, tiles::Bytes::kUnsigned, b, tiles::Bytes::kUnsigned);
}
// NOLINTEND

}  // namespace
}  // namespace ganglion::kernels
