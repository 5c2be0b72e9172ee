// Elements of any type as one of two: float for the float types, int64 for integers and pred.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/table.h"
#include "tensor/dtype.h"

namespace ganglion::runtime::cpu {

// One element at `at`, which may be unaligned.
std::int64_t load_integer(DType dtype, const std::byte* at) noexcept;
float load_float(DType dtype, const std::byte* at) noexcept;
void store_integer(DType dtype, std::byte* at, std::int64_t value) noexcept;  // wraps
void store_float(DType dtype, std::byte* at, float value) noexcept;           // rounds to nearest even

// `count` contiguous elements.
void load_block(const kernels::Table& table, DType dtype, const std::byte* from, void* to, std::int64_t count) noexcept;
void store_block(const kernels::Table& table, DType dtype, const void* from, std::byte* to,
                 std::int64_t count) noexcept;
// Rounds floats to what dtype can hold, wraps integers to it.
void round_block(const kernels::Table& table, DType dtype, void* values, std::int64_t count) noexcept;
std::int64_t wrap_integer(DType dtype, std::int64_t value) noexcept;

}  // namespace ganglion::runtime::cpu
