#include "tests/differential/random_tensor.h"

namespace ganglion::differential {

Tensor random_tensor(Random& random, DType dtype, Dims dims) {
  Tensor tensor(dtype, std::move(dims));
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    double value = static_cast<double>(random.between(-9, 9));
    if (dtype == DType::kPred) value = random.chance(50) ? 1 : 0;
    if (is_float(dtype)) value = static_cast<double>(random.between(-128, 128)) / 64;
    set_element_from_double(tensor.mutable_view(), i, value);
  }
  return tensor;
}

}  // namespace ganglion::differential
