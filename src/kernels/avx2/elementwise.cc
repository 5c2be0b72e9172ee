#include "kernels/vector/elementwise.h"

#include "kernels/avx2/kernels.h"
#include "kernels/avx2/vec.h"

namespace ganglion::kernels::avx2 {

template <Unary Op>
void unary(const float* x, float* out, std::int64_t count) noexcept {
  kernels::unary<Vec, Op>(x, out, count);
}

template <Binary Op>
void binary(const float* a, const float* b, float* out, std::int64_t count) noexcept {
  kernels::binary<Vec, Op>(a, b, out, count);
}

template <Storage S>
void to_f32(const void* x, float* out, std::int64_t count) noexcept {
  kernels::to_f32<Vec, S>(x, out, count);
}

template <Storage S>
void from_f32(const float* x, void* out, std::int64_t count) noexcept {
  kernels::from_f32<Vec, S>(x, out, count);
}

template <Storage S>
void gather_rows(const void* table, const std::int32_t* ids, float* out, std::int64_t count, std::int64_t rows,
                 std::int64_t cols) noexcept {
  kernels::gather_rows<Vec, S>(table, ids, out, count, rows, cols);
}

#define GANGLION_UNARY(op) template void unary<Unary::op>(const float*, float*, std::int64_t) noexcept;
GANGLION_UNARY(kNegate)
GANGLION_UNARY(kAbs)
GANGLION_UNARY(kExp)
GANGLION_UNARY(kLog)
GANGLION_UNARY(kSqrt)
GANGLION_UNARY(kRsqrt)
GANGLION_UNARY(kTanh)
GANGLION_UNARY(kErf)
GANGLION_UNARY(kLogistic)
GANGLION_UNARY(kRelu)
GANGLION_UNARY(kGeluErf)
GANGLION_UNARY(kGeluTanh)
GANGLION_UNARY(kSilu)
#undef GANGLION_UNARY

#define GANGLION_BINARY(op) template void binary<Binary::op>(const float*, const float*, float*, std::int64_t) noexcept;
GANGLION_BINARY(kAdd)
GANGLION_BINARY(kSubtract)
GANGLION_BINARY(kMultiply)
GANGLION_BINARY(kDivide)
GANGLION_BINARY(kMaximum)
GANGLION_BINARY(kMinimum)
#undef GANGLION_BINARY

#define GANGLION_STORAGE(S)                                                                                   \
  template void to_f32<Storage::S>(const void*, float*, std::int64_t) noexcept;                               \
  template void from_f32<Storage::S>(const float*, void*, std::int64_t) noexcept;                             \
  template void gather_rows<Storage::S>(const void*, const std::int32_t*, float*, std::int64_t, std::int64_t, \
                                        std::int64_t) noexcept;
GANGLION_STORAGE(kF32)
GANGLION_STORAGE(kF16)
GANGLION_STORAGE(kBF16)
#undef GANGLION_STORAGE

}  // namespace ganglion::kernels::avx2
