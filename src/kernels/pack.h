// Packing of weights into panels, for a panel width and conversions given at compile time; every table's pack is one of
// these. Portable code: nothing here may be compiled with flags of a newer instruction set; what wants one is the
// table's own conversions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace ganglion::kernels {

// What a table brings to packing: its conversions, by storage, and turning.
struct Conversions {
  void (*to_f32[kStorageCount])(const void* x, float* out, std::int64_t count) noexcept;
  void (*from_f32[kStorageCount])(const float* x, void* out, std::int64_t count) noexcept;
  // out[i * width + j] = rows[j * stride + i] for 16 columns j and `count` steps i, a multiple of 8; null: portable.
  void (*turn_columns)(const std::uint16_t* rows, std::int64_t stride, std::uint16_t* out, std::int64_t width,
                       std::int64_t count) noexcept;
};

// Bytes of a packed [n, k] weight in panels of `width` output features.
template <std::int64_t width>
std::size_t packed_bytes_in_panels(Storage storage, std::int64_t n, std::int64_t k) noexcept;

// Packs as Table::pack says, in panels of `width`. Calls on disjoint ranges of panels may run at the same time.
void pack_in_panels(std::int64_t width, const Conversions& conversions, Storage from, const void* rows, Storage to,
                    void* panels, std::int64_t n_begin, std::int64_t n_end, std::int64_t k) noexcept;

// As Table::pack_turned says.
void pack_turned_in_panels(std::int64_t width, const Conversions& conversions, Storage from, const void* rows,
                           Storage to, void* panels, std::int64_t k_begin, std::int64_t k_end, std::int64_t n,
                           std::int64_t k) noexcept;

// Table::pack_turned.
template <std::int64_t width, const Conversions& conversions>
void pack_turned(Storage from, const void* rows, Storage to, void* panels, std::int64_t k_begin, std::int64_t k_end,
                 std::int64_t n, std::int64_t k) noexcept {
  pack_turned_in_panels(width, conversions, from, rows, to, panels, k_begin, k_end, n, k);
}

// Table::pack.
template <std::int64_t width, const Conversions& conversions>
void pack(Storage from, const void* rows, Storage to, void* panels, std::int64_t n_begin, std::int64_t n_end,
          std::int64_t /*n*/, std::int64_t k) noexcept {
  pack_in_panels(width, conversions, from, rows, to, panels, n_begin, n_end, k);
}

// Table::packed_scale_bytes and Table::pack_scales.
template <std::int64_t width>
std::int64_t packed_scale_bytes(std::int64_t n, std::int64_t groups) noexcept {
  return static_cast<std::int64_t>(packed_bytes_in_panels<width>(Storage::kBF16, n, groups));
}
template <std::int64_t width, const Conversions& conversions>
void pack_scales(Storage from, const void* rows, void* panels, std::int64_t n_begin, std::int64_t n_end,
                 std::int64_t /*n*/, std::int64_t groups) noexcept {
  pack_in_panels(width, conversions, from, rows, Storage::kBF16, panels, n_begin, n_end, groups);
}

void gather_rows_of_panels(std::int64_t width, const Conversions& conversions, Storage storage, const void* panels,
                           const float* scales, const std::int32_t* ids, float* out, std::int64_t count,
                           std::int64_t rows, std::int64_t cols) noexcept;

// Table::gather_packed_rows.
template <std::int64_t width, const Conversions& conversions>
void gather_packed_rows(Storage storage, const void* panels, const float* scales, const std::int32_t* ids, float* out,
                        std::int64_t count, std::int64_t rows, std::int64_t cols) noexcept {
  gather_rows_of_panels(width, conversions, storage, panels, scales, ids, out, count, rows, cols);
}

}  // namespace ganglion::kernels
