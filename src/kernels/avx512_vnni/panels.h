// Panels of whole numbers for products of four: 32 columns, and in a line of 128 bytes
//   s8: four steps of k of every column, [column][k], as number + 128;
//   s4: eight steps, number + 8: a byte has step j in its low bits and step j + 4 in the high ones, j < 4.
// A tile of B of AMX is half a line wide and 16 lines high. k is filled up with zeros to whole tiles.
#pragma once

#include <cstdint>

#include "kernels/table.h"

namespace ganglion::kernels {
namespace {

inline constexpr std::int64_t kWholeLine = 128;  // bytes
inline constexpr std::int64_t kWholeSteps = 64;  // that k is filled up to
inline constexpr std::int64_t kWholeWidth = 32;  // columns of a panel

// The number that stands for zero.
template <Storage S>
inline constexpr std::int32_t kZeroPoint = S == Storage::kS8 ? 128 : 8;
// Steps of k in a line.
template <Storage S>
inline constexpr std::int64_t kLineSteps = S == Storage::kS8 ? 4 : 8;

inline std::int64_t filled_steps(std::int64_t k) noexcept { return (k + kWholeSteps - 1) / kWholeSteps * kWholeSteps; }

template <Storage S>
std::int64_t whole_panel_bytes(std::int64_t k) noexcept {
  return filled_steps(k) / kLineSteps<S> * kWholeLine;
}

// The panel of column n.
template <Storage S>
const char* whole_panel(const MatmulArgs& args, std::int64_t n) noexcept {
  return static_cast<const char*>(args.panels) + n / kWholeWidth * whole_panel_bytes<S>(args.k);
}

}  // namespace
}  // namespace ganglion::kernels
