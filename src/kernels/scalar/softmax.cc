#include <cmath>

#include "kernels/scalar/kernels.h"

namespace ganglion::kernels::scalar {

void softmax(const float* x, float* out, std::int64_t rows, std::int64_t cols) noexcept {
  for (std::int64_t row = 0; row < rows; ++row, x += cols, out += cols) {
    float top = x[0];
    for (std::int64_t i = 1; i < cols; ++i) top = x[i] > top ? x[i] : top;
    float total = 0.0f;
    for (std::int64_t i = 0; i < cols; ++i) {
      out[i] = std::exp(x[i] - top);
      total += out[i];
    }
    for (std::int64_t i = 0; i < cols; ++i) out[i] /= total;
  }
}

}  // namespace ganglion::kernels::scalar
