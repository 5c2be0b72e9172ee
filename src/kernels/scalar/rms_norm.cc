#include <cmath>

#include "kernels/scalar/kernels.h"

namespace ganglion::kernels::scalar {

void rms_norm(const RmsNormArgs& args) noexcept {
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const float* x = args.x + row * args.cols;
    float* out = args.out + row * args.cols;
    double squares = 0.0;
    for (std::int64_t i = 0; i < args.cols; ++i) squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    const double scale = 1.0 / std::sqrt(squares / static_cast<double>(args.cols) + double{args.epsilon});
    for (std::int64_t i = 0; i < args.cols; ++i) out[i] = static_cast<float>(x[i] * scale) * args.weight[i];
  }
}

}  // namespace ganglion::kernels::scalar
