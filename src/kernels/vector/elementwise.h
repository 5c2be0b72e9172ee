// Elementwise functions, conversions and row gathers on whole arrays, for a vector type V.
#pragma once

#include <cstdint>

#include "kernels/vector/math.h"
#include "kernels/vector/stored.h"

namespace ganglion::kernels {
namespace {

template <class V, Unary Op>
typename V::Reg unary_of(typename V::Reg x) noexcept {
  using M = Math<V>;
  if constexpr (Op == Unary::kNegate) return V::flip(x, V::all(-0.0f));
  if constexpr (Op == Unary::kAbs) return V::abs(x);
  if constexpr (Op == Unary::kExp) return M::exp(x);
  if constexpr (Op == Unary::kLog) return M::log(x);
  if constexpr (Op == Unary::kSqrt) return V::sqrt(x);
  if constexpr (Op == Unary::kRsqrt) return V::div(V::all(1.0f), V::sqrt(x));
  if constexpr (Op == Unary::kTanh) return M::tanh(x);
  if constexpr (Op == Unary::kErf) return M::erf(x);
  if constexpr (Op == Unary::kLogistic) return M::logistic(x);
  if constexpr (Op == Unary::kRelu) return M::relu(x);
  if constexpr (Op == Unary::kGeluErf) return M::gelu_erf(x);
  if constexpr (Op == Unary::kGeluTanh) return M::gelu_tanh(x);
  if constexpr (Op == Unary::kSilu) return M::silu(x);
}

template <class V, Binary Op>
typename V::Reg binary_of(typename V::Reg a, typename V::Reg b) noexcept {
  if constexpr (Op == Binary::kAdd) return V::add(a, b);
  if constexpr (Op == Binary::kSubtract) return V::sub(a, b);
  if constexpr (Op == Binary::kMultiply) return V::mul(a, b);
  if constexpr (Op == Binary::kDivide) return V::div(a, b);
  // max and min give b when either is NaN: right for b, so only a's NaN is left to put in.
  if constexpr (Op == Binary::kMaximum) return V::select(V::is_nan(a), a, V::max(a, b));
  if constexpr (Op == Binary::kMinimum) return V::select(V::is_nan(a), a, V::min(a, b));
}

template <class V, Unary Op>
void unary(const float* x, float* out, std::int64_t count) noexcept {
  std::int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) V::store(out + i, unary_of<V, Op>(V::load(x + i)));
  if (i < count) V::store_first(out + i, unary_of<V, Op>(V::load_first(x + i, count - i)), count - i);
}

template <class V, Binary Op>
void binary(const float* a, const float* b, float* out, std::int64_t count) noexcept {
  std::int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) {
    V::store(out + i, binary_of<V, Op>(V::load(a + i), V::load(b + i)));
  }
  if (i == count) return;
  const std::int64_t rest = count - i;
  V::store_first(out + i, binary_of<V, Op>(V::load_first(a + i, rest), V::load_first(b + i, rest)), rest);
}

template <class V, Storage S>
void to_f32(const void* x, float* out, std::int64_t count) noexcept {
  using E = Elements<V, S>;
  const auto* from = static_cast<const typename E::Type*>(x);
  std::int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) V::store(out + i, E::load(from + i));
  if (i < count) V::store_first(out + i, E::load_first(from + i, count - i), count - i);
}

template <class V, Storage S>
void from_f32(const float* x, void* out, std::int64_t count) noexcept {
  using E = Elements<V, S>;
  auto* to = static_cast<typename E::Type*>(out);
  std::int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) E::store(to + i, V::load(x + i));
  if (i < count) E::store_first(to + i, V::load_first(x + i, count - i), count - i);
}

template <class V, Storage S>
void gather_rows(const void* table, const std::int32_t* ids, float* out, std::int64_t count, std::int64_t rows,
                 std::int64_t cols) noexcept {
  const auto* from = static_cast<const typename Elements<V, S>::Type*>(table);
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t id = ids[i] < rows ? ids[i] : rows - 1;
    if (id < 0) id = 0;
    to_f32<V, S>(from + id * cols, out + i * cols, cols);
  }
}

}  // namespace
}  // namespace ganglion::kernels
