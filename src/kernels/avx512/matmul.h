// The matmul of floats in AVX-512 registers, and what tables beside avx512 take of it.
#pragma once

#include "kernels/avx512/vec.h"
#include "kernels/vector/matmul.h"

namespace ganglion::kernels {
namespace {

// 14 rows by two vectors of sums; slices of 128 steps, 16 KiB; 512 rows together, whose part of x and sums take 768
// KiB.
template <Storage S>
using Avx512Matmul = Matmul<Vec, S, 14, 128, 512>;

}  // namespace
}  // namespace ganglion::kernels
