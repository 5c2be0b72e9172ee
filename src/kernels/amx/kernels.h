// The amx table's own functions; the rest is avx512's. Contracts are in table.h.
#pragma once

#include <cstdint>

#include "kernels/table.h"

namespace ganglion::kernels::amx {

template <Storage S>
void matmul(const MatmulArgs& args) noexcept;
std::int64_t matmul_scratch(Storage storage, std::int64_t rows, std::int64_t k) noexcept;
void attention_bf16(const AttentionArgs& args) noexcept;  // of a cache in bf16
std::int64_t attention_scratch(std::int64_t head_dim, std::int64_t block_size) noexcept;

// Four tile products a round, on registers alone; returns the floating-point operations done.
double multiply_tiles(std::int64_t rounds) noexcept;
double multiply_whole_tiles(std::int64_t rounds) noexcept;  // of eight bits

}  // namespace ganglion::kernels::amx
