#include "tests/differential/closeness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace ganglion::differential {
namespace {

// Numbers of a float type in order, neighbours one apart; the two zeros are one apart as well.
std::int64_t place_in_order(const TensorView& tensor, std::int64_t i) {
  std::int64_t magnitude = 0;
  bool negative = false;
  if (tensor.dtype == DType::kF32) {
    const std::uint32_t bits = tensor.as<std::uint32_t>()[static_cast<std::size_t>(i)];
    magnitude = bits & 0x7fffffffu;
    negative = (bits >> 31) != 0;
  } else {
    const std::uint16_t bits = tensor.as<std::uint16_t>()[static_cast<std::size_t>(i)];
    magnitude = bits & 0x7fffu;
    negative = (bits >> 15) != 0;
  }
  return negative ? -magnitude - 1 : magnitude;
}

bool both_below_normal(double a, double b) { return std::fabs(a) < 0x1p-126 && std::fabs(b) < 0x1p-126; }

}  // namespace

std::optional<std::string> difference(const TensorView& got, const TensorView& expected, const Closeness& closeness) {
  if (got.dtype != expected.dtype || got.dims != expected.dims) {
    return fmt::format("got {}, expected {}", shape_text(got.dtype, got.dims),
                       shape_text(expected.dtype, expected.dims));
  }
  const std::size_t size = dtype_size(got.dtype);
  for (std::int64_t i = 0; i < element_count(got.dims); ++i) {
    const std::size_t at = static_cast<std::size_t>(i) * size;
    if (std::memcmp(got.data + at, expected.data + at, size) == 0) continue;
    const double a = element_as_double(got, i);
    const double b = element_as_double(expected, i);
    if (!is_float(got.dtype)) return fmt::format("element {}: got {}, expected {}", i, a, b);
    if (std::isnan(a) && std::isnan(b)) continue;
    if (closeness.flushed && both_below_normal(a, b)) continue;
    if (closeness.tolerance > 0 && std::fabs(a - b) <= closeness.tolerance * std::max(1.0, std::fabs(b))) continue;
    const std::int64_t ulps = std::llabs(place_in_order(got, i) - place_in_order(expected, i));
    if (!std::isnan(a) && !std::isnan(b) && ulps <= closeness.ulps) continue;
    return fmt::format("element {}: got {}, expected {} ({} ulps)", i, a, b, ulps);
  }
  return std::nullopt;
}

}  // namespace ganglion::differential
