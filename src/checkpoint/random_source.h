// Weights without a checkpoint: seeded random numbers and constants, for benchmarks of published shapes and for tests.
#pragma once

#include <cstdint>
#include <memory>

#include "tensor/source.h"

namespace ganglion::checkpoint {

// Numbers with mean 0 and the standard deviation given, distributed like a normal law cut at about 3.7 deviations. Row
// r depends on seed, r and the row's length alone, so rows are read in any order, by any number of threads, with the
// same result; other types give the same numbers rounded. More than 1 GB/s per thread for rows of some length. Error
// {kInvalidArgument} for pred, u8 and u32, and as element_count throws.
std::shared_ptr<const TensorSource> random_source(DType dtype, Dims dims, double deviation, std::uint64_t seed);

// Every element the same, rounded to the type: 1 for the scale of a layer norm, 0 for a bias.
std::shared_ptr<const TensorSource> constant_source(DType dtype, Dims dims, double value);

}  // namespace ganglion::checkpoint
