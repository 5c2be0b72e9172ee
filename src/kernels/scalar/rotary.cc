#include "kernels/scalar/kernels.h"

namespace ganglion::kernels::scalar {

void rotary(const RotaryArgs& args) noexcept {
  const std::int64_t distance = args.neighbours ? 1 : args.pairs;
  const std::int64_t step = args.neighbours ? 2 : 1;
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const float* cosine = args.cosine + row * args.pairs;
    const float* sine = args.sine + row * args.pairs;
    for (std::int64_t head = 0; head < args.heads; ++head) {
      const float* x = args.x + (row * args.heads + head) * args.head_dim;
      float* out = args.out + (row * args.heads + head) * args.head_dim;
      for (std::int64_t p = 0; p < args.pairs; ++p) {
        const float a = x[p * step];
        const float b = x[p * step + distance];
        out[p * step] = a * cosine[p] - b * sine[p];
        out[p * step + distance] = b * cosine[p] + a * sine[p];
      }
      for (std::int64_t i = 2 * args.pairs; i < args.head_dim; ++i) out[i] = x[i];
    }
  }
}

}  // namespace ganglion::kernels::scalar
