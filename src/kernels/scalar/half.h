// The plain conversions between f32 and stored elements, one at a time, branch-free so that the compiler vectorises
// them. Used by the scalar table and by packing; the avx2 and avx512 files have their own.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace ganglion::kernels::scalar {

// Element type and conversions of one storage.
template <Storage>
struct Stored;

template <>
struct Stored<Storage::kF32> {
  using Type = float;
  static float load(float value) noexcept { return value; }
  static float store(float value) noexcept { return value; }
};

template <>
struct Stored<Storage::kBF16> {
  using Type = std::uint16_t;
  static float load(std::uint16_t bits) noexcept { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
  static std::uint16_t store(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const std::uint32_t quiet = (bits >> 16) | 0x40u;
    return static_cast<std::uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
  }
};

template <>
struct Stored<Storage::kF16> {
  using Type = std::uint16_t;
  static float load(std::uint16_t bits) noexcept {
    const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16;
    const std::uint32_t magnitude = std::uint32_t{bits & 0x7fffu};
    // Exponent and fraction moved into place are the value times 2^-112, subnormals included: the product is exact.
    const auto finite = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112f);
    const std::uint32_t special = 0x7f800000u | (magnitude << 13) | (magnitude > 0x7c00u ? 0x400000u : 0u);
    return std::bit_cast<float>(sign | (magnitude >= 0x7c00u ? special : finite));
  }
  static std::uint16_t store(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (bits >> 16) & 0x8000u;
    const std::uint32_t magnitude = bits & 0x7fffffffu;
    // Below 2^-14 the half's unit is 2^-24: adding 0.5, whose unit in f32 is 2^-24 too, rounds to it.
    const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
    const std::uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    const std::uint32_t nan = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
    const std::uint32_t finite = magnitude < 0x38800000u ? subnormal : normal;
    const std::uint32_t bounded = magnitude >= 0x477ff000u ? 0x7c00u : finite;  // 65520 and above round to infinity
    return static_cast<std::uint16_t>(sign | (magnitude > 0x7f800000u ? nan : bounded));
  }
};

template <>
struct Stored<Storage::kS8> {
  using Type = std::int8_t;
  static float load(std::int8_t value) noexcept { return static_cast<float>(value); }
};

// The numbers of two columns in a byte of packed s4.
inline std::int8_t low_s4(std::uint8_t pair) noexcept { return static_cast<std::int8_t>(((pair & 15) ^ 8) - 8); }
inline std::int8_t high_s4(std::uint8_t pair) noexcept { return static_cast<std::int8_t>(((pair >> 4) ^ 8) - 8); }
inline std::uint8_t pair_s4(std::int8_t low, std::int8_t high) noexcept {
  return static_cast<std::uint8_t>((low & 15) | (high & 15) << 4);
}

}  // namespace ganglion::kernels::scalar
