#include "kernels/vector/norm.h"

#include "kernels/avx2/kernels.h"
#include "kernels/avx2/vec.h"

namespace ganglion::kernels::avx2 {

void layer_norm(const LayerNormArgs& args) noexcept { kernels::layer_norm<Vec>(args); }

void rms_norm(const RmsNormArgs& args) noexcept { kernels::rms_norm<Vec>(args); }

void softmax(const float* x, float* out, std::int64_t rows, std::int64_t cols) noexcept {
  kernels::softmax<Vec>(x, out, rows, cols);
}

}  // namespace ganglion::kernels::avx2
