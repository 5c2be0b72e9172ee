// How reduce, scatter and all-reduce put two elements together.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>

#include "program/program.h"
#include "runtime/cpu/element_types.h"

namespace ganglion::runtime::cpu {

inline float combine_floats(program::Combine combine, float a, float b) noexcept {
  switch (combine) {
    case program::Combine::kAdd:
      return a + b;
    case program::Combine::kMultiply:
      return a * b;
    case program::Combine::kMaximum:
      return std::isnan(a) || std::isnan(b) ? std::numeric_limits<float>::quiet_NaN() : (a > b ? a : b);
    case program::Combine::kMinimum:
      return std::isnan(a) || std::isnan(b) ? std::numeric_limits<float>::quiet_NaN() : (a < b ? a : b);
    default:
      return a;
  }
}

inline std::int64_t combine_integers(program::Combine combine, DType dtype, std::int64_t a, std::int64_t b) noexcept {
  const auto ua = static_cast<std::uint64_t>(a), ub = static_cast<std::uint64_t>(b);
  switch (combine) {
    case program::Combine::kAdd:
      return dtype == DType::kPred ? (a | b) : wrap_integer(dtype, static_cast<std::int64_t>(ua + ub));
    case program::Combine::kMultiply:
      return wrap_integer(dtype, static_cast<std::int64_t>(ua * ub));
    case program::Combine::kMaximum:
      return a > b ? a : b;
    case program::Combine::kMinimum:
      return a < b ? a : b;
    case program::Combine::kAnd:
      return a & b;
    case program::Combine::kOr:
      return a | b;
    default:
      return a;
  }
}

// *at = combine(*at, value), rounded to dtype.
inline void combine_into(program::Combine combine, DType dtype, std::byte* at, const std::byte* value) noexcept {
  if (is_float(dtype)) {
    store_float(dtype, at, combine_floats(combine, load_float(dtype, at), load_float(dtype, value)));
  } else {
    store_integer(dtype, at, combine_integers(combine, dtype, load_integer(dtype, at), load_integer(dtype, value)));
  }
}

}  // namespace ganglion::runtime::cpu
