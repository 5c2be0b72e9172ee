// How much a step multiplies, counted from the step itself, so that it is right for every family.
#pragma once

#include <cstdint>

#include "models/config.h"

namespace ganglion::models {

// Weights that matmuls read, of all ranks together, in numbers: a token costs two operations for each.
struct MatmulWork {
  std::int64_t layers = 0;  // for every token
  std::int64_t head = 0;    // for every row of logits
};
MatmulWork matmul_work(const Config& config);

}  // namespace ganglion::models
