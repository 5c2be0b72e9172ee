// Element types, with XLA's names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ganglion {

// kPred is one byte holding 0 or 1. f16 is IEEE binary16, bf16 the upper half of an f32. kS4 is one byte, too, holding
// -8 to 7: only files and packed weights keep two in a byte.
enum class DType : std::uint8_t { kPred, kS4, kS8, kS32, kS64, kU8, kU32, kF16, kBF16, kF32 };
inline constexpr int kDTypeCount = 10;

std::size_t dtype_size(DType dtype) noexcept;                      // bytes of one element
std::string_view dtype_name(DType dtype) noexcept;                 // "pred", "s8", ..., "f32"
std::optional<DType> parse_dtype(std::string_view name) noexcept;  // the inverse of dtype_name
inline bool is_float(DType dtype) noexcept { return dtype >= DType::kF16; }
inline bool is_signed(DType dtype) noexcept {
  return dtype == DType::kS4 || dtype == DType::kS8 || dtype == DType::kS32 || dtype == DType::kS64;
}
inline bool is_integer(DType dtype) noexcept { return dtype >= DType::kS4 && dtype <= DType::kU32; }

}  // namespace ganglion
