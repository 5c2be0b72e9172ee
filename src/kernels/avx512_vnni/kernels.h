// What the avx512_vnni table has of its own: matmuls of weights in s8 and s4 by products of whole numbers
// (AVX512_VNNI), in panels that hold four steps of k side by side.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace ganglion::kernels::avx512_vnni {

inline constexpr std::int64_t kPanelWidth = 32;

// As the members of Table with these names.
template <Storage S>
void matmul(const MatmulArgs& args) noexcept;
std::int64_t matmul_scratch(Storage storage, std::int64_t rows, std::int64_t k) noexcept;
std::int64_t prepared_bytes(Storage storage, std::int64_t rows, std::int64_t k, std::int64_t group) noexcept;
void prepare_rows(Storage storage, const PrepareArgs& args) noexcept;
std::size_t packed_bytes(Storage storage, std::int64_t n, std::int64_t k) noexcept;
void pack(Storage from, const void* rows, Storage to, void* panels, std::int64_t n_begin, std::int64_t n_end,
          std::int64_t n, std::int64_t k) noexcept;
void gather_packed_rows(Storage storage, const void* panels, const float* scales, const std::int32_t* ids, float* out,
                        std::int64_t count, std::int64_t rows, std::int64_t cols) noexcept;

// Twelve vectors of products of eight bits a round, on registers alone; returns the operations done.
double multiply_whole(std::int64_t rounds) noexcept;

}  // namespace ganglion::kernels::avx512_vnni
