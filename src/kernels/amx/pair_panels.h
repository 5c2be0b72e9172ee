// Panels of bf16 for products of pairs: 32 columns, and in a line of 128 bytes two steps of k of every column,
// [column][k]. A tile of B of AMX is half a line wide and 16 lines high. k is filled up with zeros to whole tiles.
#pragma once

#include <cstdint>

namespace ganglion::kernels {
namespace {

inline constexpr std::int64_t kPairLine = 128;  // bytes
inline constexpr std::int64_t kPairSteps = 32;  // that k is filled up to
inline constexpr std::int64_t kPairWidth = 32;  // columns of a panel

inline std::int64_t pair_panel_bytes(std::int64_t k) noexcept {
  return (k + kPairSteps - 1) / kPairSteps * kPairSteps / 2 * kPairLine;
}

}  // namespace
}  // namespace ganglion::kernels
