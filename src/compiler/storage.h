// How the kernels call an element type of a weight or a cache.
#pragma once

#include "kernels/table.h"
#include "tensor/dtype.h"

namespace ganglion {

// f32 for what is no weight's or cache's type.
constexpr kernels::Storage storage_of(DType dtype) noexcept {
  return dtype == DType::kF16    ? kernels::Storage::kF16
         : dtype == DType::kBF16 ? kernels::Storage::kBF16
         : dtype == DType::kS8   ? kernels::Storage::kS8
         : dtype == DType::kS4   ? kernels::Storage::kS4
                                 : kernels::Storage::kF32;
}

}  // namespace ganglion
