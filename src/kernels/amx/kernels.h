// The amx table's own functions; the rest is avx512's. Contracts are in table.h.
#pragma once

#include <cstdint>

#include "kernels/table.h"

namespace ganglion::kernels::amx {

template <Storage S>
void matmul(const MatmulArgs& args) noexcept;
std::int64_t matmul_scratch(Storage storage, std::int64_t rows, std::int64_t k) noexcept;
std::int64_t prepared_bytes(Storage storage, std::int64_t rows, std::int64_t k, std::int64_t group) noexcept;
void prepare_rows(Storage storage, const PrepareArgs& args) noexcept;

// Of bf16 by pairs (pair_panels.h), of the others as avx512_vnni has them.
std::size_t packed_bytes(Storage storage, std::int64_t n, std::int64_t k) noexcept;
void pack(Storage from, const void* rows, Storage to, void* panels, std::int64_t n_begin, std::int64_t n_end,
          std::int64_t n, std::int64_t k) noexcept;
void pack_turned(Storage from, const void* rows, Storage to, void* panels, std::int64_t k_begin, std::int64_t k_end,
                 std::int64_t n, std::int64_t k) noexcept;
void gather_packed_rows(Storage storage, const void* panels, const float* scales, const std::int32_t* ids, float* out,
                        std::int64_t count, std::int64_t rows, std::int64_t cols) noexcept;
void attention_bf16(const AttentionArgs& args) noexcept;  // of a cache in bf16
std::int64_t attention_scratch(std::int64_t head_dim, std::int64_t block_size) noexcept;

// Four tile products a round, on registers alone; returns the floating-point operations done.
double multiply_tiles(std::int64_t rounds) noexcept;
double multiply_whole_tiles(std::int64_t rounds) noexcept;  // of eight bits

}  // namespace ganglion::kernels::amx
