#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/scalar/half.h"
#include "kernels/scalar/kernels.h"

namespace ganglion::kernels::scalar {
namespace {

// To the nearest whole number, ties to even, for magnitudes below 2^22; two additions that vectorise.
float nearest(float x) noexcept {
  constexpr float kShift = 0x1.8p23f;
  return (x + kShift) - kShift;
}

float number_s4(float x, float inverse) noexcept { return std::clamp(nearest(x * inverse), -8.0f, 7.0f); }

// The value of largest magnitude.
float largest(const float* x, std::int64_t count) noexcept {
  float low = 0, high = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  return -low > high ? low : high;
}

// Smaller scales have no inverse; what they would stand for is nothing beside any other weight.
bool usable(float scale) noexcept { return std::fabs(scale) >= std::numeric_limits<float>::min(); }

// Of a group, its numbers being those that `scale` gives: of number * value, number^2, (value - number * scale)^2.
// Eight sums side by side, added up in order at the end.
struct Sums {
  float products, squares, errors;
};
Sums sums_s4(const float* x, std::int64_t count, float scale) noexcept {
  constexpr int kLanes = 8;
  float products[kLanes] = {}, squares[kLanes] = {}, errors[kLanes] = {};
  const float inverse = 1.0f / scale;
  for (std::int64_t i = 0; i < count; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      const float value = x[i + j];
      const float number = number_s4(value, inverse);
      const float error = value - number * scale;
      products[j] += number * value;
      squares[j] += number * number;
      errors[j] += error * error;
    }
  }
  Sums out{0, 0, 0};
  for (int j = 0; j < kLanes; ++j) {
    out.products += products[j];
    out.squares += squares[j];
    out.errors += errors[j];
  }
  return out;
}

std::uint16_t scale_of_group(const float* x, std::int64_t count) noexcept {
  using Half = Stored<Storage::kBF16>;
  constexpr float kBeginnings[] = {-6.75f, -7.5f, -8.25f, -9.0f};  // what the value of largest magnitude becomes
  const float top = largest(x, count);
  std::uint16_t best = usable(top / -8.0f) ? Half::store(top / -8.0f) : std::uint16_t{0};
  float least = std::numeric_limits<float>::infinity();
  for (const float beginning : kBeginnings) {
    const float first = top / beginning;
    if (!usable(first)) continue;
    const Sums rounded = sums_s4(x, count, first);
    if (rounded.squares == 0) continue;
    const std::uint16_t bits = Half::store(rounded.products / rounded.squares);
    const float scale = Half::load(bits);
    if (!usable(scale)) continue;
    const float error = sums_s4(x, count, scale).errors;
    if (error < least) {
      least = error;
      best = bits;
    }
  }
  return best;
}

}  // namespace

float largest_magnitude(const float* x, std::int64_t count) noexcept {
  float top = 0, not_finite = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    top = std::max(top, std::fabs(x[i]));
    not_finite += x[i] * 0.0f;
  }
  return std::isnan(not_finite) ? not_finite : top;
}

void round_s8(const float* x, float scale, std::int8_t* numbers, std::int64_t count) noexcept {
  const float inverse = usable(scale) ? 1.0f / scale : 0.0f;
  for (std::int64_t i = 0; i < count; ++i) {
    numbers[i] = static_cast<std::int8_t>(std::clamp(nearest(x[i] * inverse), -127.0f, 127.0f));
  }
}

void search_s4(const float* x, std::uint16_t* scales, std::int64_t groups, std::int64_t group) noexcept {
  for (std::int64_t g = 0; g < groups; ++g) scales[g] = scale_of_group(x + g * group, group);
}

void round_s4(const float* x, const std::uint16_t* scales, std::int8_t* numbers, std::int64_t groups,
              std::int64_t group) noexcept {
  for (std::int64_t g = 0; g < groups; ++g, x += group, numbers += group) {
    const float scale = Stored<Storage::kBF16>::load(scales[g]);
    const float inverse = usable(scale) ? 1.0f / scale : 0.0f;
    for (std::int64_t i = 0; i < group; ++i) numbers[i] = static_cast<std::int8_t>(number_s4(x[i], inverse));
  }
}

}  // namespace ganglion::kernels::scalar
