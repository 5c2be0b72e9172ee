// The avx2 table's functions: the algorithms of vector/ on the vectors of avx2/vec.h. Contracts are in table.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace ganglion::kernels::avx2 {

inline constexpr std::int64_t kPanelWidth = 16;

template <Storage S>
void matmul(const MatmulArgs& args) noexcept;
// As Table::matmul_scratch.
std::int64_t matmul_scratch(Storage storage, std::int64_t rows, std::int64_t k) noexcept;
template <Storage S>
void attention(const AttentionArgs& args) noexcept;
std::int64_t attention_scratch(std::int64_t head_dim, std::int64_t block_size) noexcept;
template <Storage S>
void kv_write(const KvWriteArgs& args) noexcept;
void kv_scale(const KvWriteArgs& args) noexcept;

void layer_norm(const LayerNormArgs& args) noexcept;
void rms_norm(const RmsNormArgs& args) noexcept;
void rotary(const RotaryArgs& args) noexcept;
void softmax(const float* x, float* out, std::int64_t rows, std::int64_t cols) noexcept;
template <Storage S>
void gather_rows(const void* table, const std::int32_t* ids, float* out, std::int64_t count, std::int64_t rows,
                 std::int64_t cols) noexcept;
template <Unary Op>
void unary(const float* x, float* out, std::int64_t count) noexcept;
template <Binary Op>
void binary(const float* a, const float* b, float* out, std::int64_t count) noexcept;
template <Storage S>
void to_f32(const void* x, float* out, std::int64_t count) noexcept;
template <Storage S>
void from_f32(const float* x, void* out, std::int64_t count) noexcept;

float largest_magnitude(const float* x, std::int64_t count) noexcept;
void round_s8(const float* x, float scale, std::int8_t* numbers, std::int64_t count) noexcept;
void search_s4(const float* x, std::uint16_t* scales, std::int64_t groups, std::int64_t group) noexcept;
void round_s4(const float* x, const std::uint16_t* scales, std::int8_t* numbers, std::int64_t groups,
              std::int64_t group) noexcept;

// Conversions::turn_columns.
void turn_columns(const std::uint16_t* rows, std::int64_t stride, std::uint16_t* out, std::int64_t width,
                  std::int64_t count) noexcept;

}  // namespace ganglion::kernels::avx2
