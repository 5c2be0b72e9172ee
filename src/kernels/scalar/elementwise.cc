#include <cmath>

#include "kernels/scalar/activation.h"
#include "kernels/scalar/kernels.h"

namespace ganglion::kernels::scalar {
namespace {

template <Unary Op>
float apply(float x) noexcept {
  if constexpr (Op == Unary::kNegate) return -x;
  if constexpr (Op == Unary::kAbs) return std::fabs(x);
  if constexpr (Op == Unary::kExp) return std::exp(x);
  if constexpr (Op == Unary::kLog) return std::log(x);
  if constexpr (Op == Unary::kSqrt) return std::sqrt(x);
  if constexpr (Op == Unary::kRsqrt) return 1.0f / std::sqrt(x);
  if constexpr (Op == Unary::kTanh) return std::tanh(x);
  if constexpr (Op == Unary::kErf) return std::erf(x);
  if constexpr (Op == Unary::kLogistic) return 1.0f / (1.0f + std::exp(-x));
  if constexpr (Op == Unary::kRelu) return relu(x);
  if constexpr (Op == Unary::kGeluErf) return gelu_erf(x);
  if constexpr (Op == Unary::kGeluTanh) return gelu_tanh(x);
  if constexpr (Op == Unary::kSilu) return silu(x);
}

template <Binary Op>
float apply(float a, float b) noexcept {
  if constexpr (Op == Binary::kAdd) return a + b;
  if constexpr (Op == Binary::kSubtract) return a - b;
  if constexpr (Op == Binary::kMultiply) return a * b;
  if constexpr (Op == Binary::kDivide) return a / b;
  // A NaN on either side is the result.
  if constexpr (Op == Binary::kMaximum) return a != a || a > b ? a : b;
  if constexpr (Op == Binary::kMinimum) return a != a || a < b ? a : b;
}

}  // namespace

template <Unary Op>
void unary(const float* x, float* out, std::int64_t count) noexcept {
  for (std::int64_t i = 0; i < count; ++i) out[i] = apply<Op>(x[i]);
}

template <Binary Op>
void binary(const float* a, const float* b, float* out, std::int64_t count) noexcept {
  for (std::int64_t i = 0; i < count; ++i) out[i] = apply<Op>(a[i], b[i]);
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

}  // namespace ganglion::kernels::scalar
