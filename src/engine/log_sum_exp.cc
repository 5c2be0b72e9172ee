#include "engine/log_sum_exp.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

// Each loop is compiled twice, for vectors of 4 and of 8 numbers. Both give the same bits: their lanes are the same,
// and nothing is contracted to multiply-adds anywhere in this program.
namespace ganglion::engine {
namespace {

constexpr std::size_t kLanes = 16;

// exp(x) for x in [-87, 0], within 2e-7 of it: 2^n times the Taylor polynomial of e^r, |r| <= log(2) / 2; log(2) in two
// parts after Cody and Waite (1980). Zero below -87, where the rest of a sum that has a 1 in it is lost anyway. Numbers
// that are not above 0 are ordered as their bits are, downwards; choosing by bits leaves no branch, and so vectors.
[[gnu::always_inline]] inline float exp_of_negative(float x) noexcept {
  constexpr std::uint32_t kLowest = std::bit_cast<std::uint32_t>(-87.0f);
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto in_range = std::bit_cast<float>(bits < kLowest ? bits : kLowest);
  const auto n = static_cast<std::int32_t>(in_range * 1.44269504f - 0.5f);  // towards zero: rounds, since x <= 0
  const auto rounded = static_cast<float>(n);
  const float r = (in_range - rounded * 0.693359375f) - rounded * -2.12194440e-4f;
  float e = 1.0f / 5040;
  e = e * r + 1.0f / 720;
  e = e * r + 1.0f / 120;
  e = e * r + 1.0f / 24;
  e = e * r + 1.0f / 6;
  e = e * r + 0.5f;
  e = e * r + 1.0f;
  e = e * r + 1.0f;
  const float power = e * std::bit_cast<float>((n + 127) << 23);
  const std::uint32_t kept = bits <= kLowest ? ~0u : 0u;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(power) & kept);
}

struct HighestOf {
  [[gnu::always_inline]] static inline float over(const float* numbers, std::size_t count) noexcept {
    float lanes[kLanes];
    for (float& lane : lanes) lane = -std::numeric_limits<float>::infinity();
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      for (std::size_t j = 0; j < kLanes; ++j) lanes[j] = numbers[i + j] > lanes[j] ? numbers[i + j] : lanes[j];
    }
    for (; i < count; ++i) lanes[0] = numbers[i] > lanes[0] ? numbers[i] : lanes[0];
    float highest = lanes[0];
    for (const float lane : lanes) highest = lane > highest ? lane : highest;
    return highest;
  }
};

struct AllFinite {
  [[gnu::always_inline]] static inline bool over(const float* numbers, std::size_t count) noexcept {
    constexpr std::uint32_t kExponent = 0x7f800000u;
    std::uint32_t bad = 0;
    for (std::size_t i = 0; i < count; ++i)
      bad |= (std::bit_cast<std::uint32_t>(numbers[i]) & kExponent) == kExponent ? 1u : 0u;
    return bad == 0;
  }
};

struct FirstOf {
  [[gnu::always_inline]] static inline std::size_t over(const float* numbers, std::size_t count,
                                                        float wanted) noexcept {
    constexpr std::size_t kBlock = 256;
    std::size_t i = 0;
    for (; i + kBlock <= count; i += kBlock) {
      std::uint32_t found = 0;
      for (std::size_t j = 0; j < kBlock; ++j) found |= numbers[i + j] == wanted ? 1u : 0u;
      if (found != 0) break;
    }
    while (i < count && numbers[i] != wanted) ++i;
    return i;
  }
};

struct SumOfExp {
  [[gnu::always_inline]] static inline double over(const float* numbers, std::size_t count, float highest) noexcept {
    double lanes[kLanes] = {};
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      float powers[kLanes];
      for (std::size_t j = 0; j < kLanes; ++j) powers[j] = exp_of_negative(numbers[i + j] - highest);
      for (std::size_t j = 0; j < kLanes; ++j) lanes[j] += static_cast<double>(powers[j]);
    }
    for (; i < count; ++i) lanes[0] += static_cast<double>(exp_of_negative(numbers[i] - highest));
    double sum = 0;
    for (const double lane : lanes) sum += lane;
    return sum;
  }
};

template <typename Loop, typename... Arguments>
[[gnu::target("avx2")]] auto run_avx2(Arguments... arguments) noexcept {
  return Loop::over(arguments...);
}

template <typename Loop, typename... Arguments>
auto run(Arguments... arguments) noexcept {
  static const bool has_avx2 = __builtin_cpu_supports("avx2");
  return has_avx2 ? run_avx2<Loop>(arguments...) : Loop::over(arguments...);
}

}  // namespace

float highest_of(std::span<const float> numbers) noexcept { return run<HighestOf>(numbers.data(), numbers.size()); }

bool all_finite(std::span<const float> numbers) noexcept { return run<AllFinite>(numbers.data(), numbers.size()); }

std::size_t first_of(std::span<const float> numbers, float wanted) noexcept {
  return run<FirstOf>(numbers.data(), numbers.size(), wanted);
}

double log_sum_exp(std::span<const float> numbers, float highest) noexcept {
  return std::log(run<SumOfExp>(numbers.data(), numbers.size(), highest));
}

}  // namespace ganglion::engine
