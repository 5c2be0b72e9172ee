// Exact conversions between f32 and the two 16-bit floats. To 16 bits: round to nearest, ties to even, overflow to
// infinity, NaN stays NaN (quiet). From 16 bits: exact. One element at a time; the vector forms are in kernels/.
#pragma once

#include <bit>
#include <cstdint>

namespace ganglion {

inline float bf16_to_f32(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

inline std::uint16_t f32_to_bf16(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float f16_to_f32(std::uint16_t bits) noexcept;
std::uint16_t f32_to_f16(float value) noexcept;

}  // namespace ganglion
