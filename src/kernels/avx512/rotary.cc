#include "kernels/vector/rotary.h"

#include "kernels/avx512/kernels.h"
#include "kernels/avx512/vec.h"

namespace ganglion::kernels::avx512 {

void rotary(const RotaryArgs& args) noexcept { kernels::rotary<Vec>(args); }

}  // namespace ganglion::kernels::avx512
