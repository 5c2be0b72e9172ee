// Loading and storing a vector of elements of one storage, for a vector type V.
#pragma once

#include <cstdint>

#include "kernels/table.h"

namespace ganglion::kernels {
namespace {

template <class V, Storage S>
struct Elements {
  using Reg = typename V::Reg;
  using Type = std::uint16_t;
  static Reg widen(typename V::Halves x) noexcept {
    if constexpr (S == Storage::kF16) {
      return V::from_f16(x);
    } else {
      return V::from_bf16(x);
    }
  }
  static typename V::Halves narrow(Reg x) noexcept {
    if constexpr (S == Storage::kF16) {
      return V::to_f16(x);
    } else {
      return V::to_bf16(x);
    }
  }
  static Reg load(const Type* x) noexcept { return widen(V::load_halves(x)); }
  static Reg load_first(const Type* x, std::int64_t count) noexcept { return widen(V::load_first_halves(x, count)); }
  static void store(Type* out, Reg x) noexcept { V::store_halves(out, narrow(x)); }
  static void store_first(Type* out, Reg x, std::int64_t count) noexcept {
    V::store_first_halves(out, narrow(x), count);
  }
};

template <class V>
struct Elements<V, Storage::kF32> {
  using Reg = typename V::Reg;
  using Type = float;
  static Reg load(const float* x) noexcept { return V::load(x); }
  static Reg load_first(const float* x, std::int64_t count) noexcept { return V::load_first(x, count); }
  static void store(float* out, Reg x) noexcept { V::store(out, x); }
  static void store_first(float* out, Reg x, std::int64_t count) noexcept { V::store_first(out, x, count); }
};

template <class V>
struct Elements<V, Storage::kS8> {
  using Reg = typename V::Reg;
  using Type = std::int8_t;
  static Reg load(const Type* x) noexcept { return V::load_s8(x); }
  static Reg load_first(const Type* x, std::int64_t count) noexcept { return V::load_first_s8(x, count); }
};

}  // namespace
}  // namespace ganglion::kernels
