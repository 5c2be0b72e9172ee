// Packing of weights into panels, for a panel width given at compile time; every table's pack is one of these. Portable
// code: nothing here may be compiled with flags of a newer instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace ganglion::kernels {

// Bytes of a packed [n, k] weight in panels of `width` output features.
template <std::int64_t width>
std::size_t packed_bytes_in_panels(Storage storage, std::int64_t n, std::int64_t k) noexcept;

// Table::pack for panels of `width`. Calls on disjoint ranges of panels may run at the same time.
template <std::int64_t width>
void pack_in_panels(Storage from, const void* rows, Storage to, void* panels, std::int64_t n_begin, std::int64_t n_end,
                    std::int64_t n, std::int64_t k) noexcept;

// Table::gather_packed_rows for panels of `width`.
template <std::int64_t width>
void gather_rows_of_panels(const void* panels, const float* scales, const std::int32_t* ids, float* out,
                           std::int64_t count, std::int64_t rows, std::int64_t cols) noexcept;

}  // namespace ganglion::kernels
