#include "kernels/vector/rotary.h"

#include "kernels/avx2/kernels.h"
#include "kernels/avx2/vec.h"

namespace ganglion::kernels::avx2 {

void rotary(const RotaryArgs& args) noexcept { kernels::rotary<Vec>(args); }

}  // namespace ganglion::kernels::avx2
