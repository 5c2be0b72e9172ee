// For tests: the kernels' plain definitions in double precision, and the data the tests run on. No kernel includes
// this.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/table.h"

namespace ganglion::kernels::plain {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr Storage kStorages[] = {Storage::kF32, Storage::kF16, Storage::kBF16};
inline constexpr Storage kCacheStorages[] = {Storage::kF32, Storage::kF16, Storage::kBF16, Storage::kS8};
inline constexpr Storage kWeightStorages[] = {Storage::kF32, Storage::kF16, Storage::kBF16, Storage::kS8, Storage::kS4};

// A test suite that runs once for every table this machine can run.
class EveryTable : public testing::TestWithParam<const Table*> {
 protected:
  const Table& table() const { return *GetParam(); }
};
inline std::vector<const Table*> runnable_tables() {
  int count = 0;
  const TableInfo* tables = all_tables(&count);
  std::vector<const Table*> result;
  for (int i = 0; i < count; ++i) {
    if (tables[i].runnable) {
      result.push_back(tables[i].table);
    } else {
      std::fprintf(stderr, "kernels: this CPU cannot run the %s table; it is not tested here\n",
                   std::string(tables[i].table->isa).c_str());
    }
  }
  return result;
}
inline std::string table_name(const testing::TestParamInfo<const Table*>& info) { return std::string(info.param->isa); }
#define GANGLION_FOR_EVERY_TABLE(suite)                                                                    \
  INSTANTIATE_TEST_SUITE_P(Table, suite, testing::ValuesIn(::ganglion::kernels::plain::runnable_tables()), \
                           ::ganglion::kernels::plain::table_name)

// The f16 nearest to a value, ties to even: its exponent gives the unit, and the value is rounded to whole units.
inline std::uint16_t to_f16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  if (std::isnan(value)) return static_cast<std::uint16_t>(sign | 0x7e00u | ((bits >> 13) & 0x3ffu));
  const double magnitude = std::fabs(static_cast<double>(value));
  if (magnitude >= 65520.0) return static_cast<std::uint16_t>(sign | 0x7c00u);
  const int exponent = magnitude < 0x1p-14 ? -14 : std::ilogb(magnitude);
  const double units = std::nearbyint(std::ldexp(magnitude, 10 - exponent));
  return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>((exponent + 14) * 1024 + units));
}
inline float from_f16(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const float sign = (bits & 0x8000u) != 0 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction != 0 ? std::copysign(kNan, sign) : sign * kInfinity;
  return sign * (exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                               : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25));
}
inline std::uint16_t to_bf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  const std::uint32_t kept = bits >> 16;
  const std::uint32_t rest = bits & 0xffffu;
  const bool up = rest > 0x8000u || (rest == 0x8000u && (kept & 1u) != 0);
  return static_cast<std::uint16_t>(kept + (up ? 1 : 0));
}
inline float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

// Values as a storage keeps them: the bytes, and what they mean.
struct Stored {
  std::vector<std::uint8_t> bytes;
  std::vector<float> values;
  const void* data() const { return bytes.data(); }
};
inline Stored store(Storage storage, const std::vector<float>& values) {
  Stored stored{std::vector<std::uint8_t>(values.size() * storage_size(storage)), values};
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (storage == Storage::kF32) {
      std::memcpy(stored.bytes.data() + 4 * i, &values[i], 4);
      continue;
    }
    const std::uint16_t bits = storage == Storage::kF16 ? to_f16(values[i]) : to_bf16(values[i]);
    stored.values[i] = storage == Storage::kF16 ? from_f16(bits) : from_bf16(bits);
    std::memcpy(stored.bytes.data() + 2 * i, &bits, 2);
  }
  return stored;
}

// A row in s8: numbers, their scale, and what they mean.
struct WholeRow {
  std::vector<std::int8_t> numbers;
  float scale = 0;
};
inline WholeRow whole(const float* row, std::int64_t count) {
  float top = 0;
  for (std::int64_t i = 0; i < count; ++i) top = std::max(top, std::fabs(row[i]));
  WholeRow out{std::vector<std::int8_t>(static_cast<std::size_t>(count)), top / 127.0f};
  for (std::int64_t i = 0; i < count && top > 0; ++i) {
    out.numbers[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(std::nearbyint(row[i] / out.scale));
  }
  return out;
}

inline std::vector<float> normal(std::size_t count, unsigned seed, float deviation = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution(0.0f, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(random);
  return values;
}

// A weight [n, k] as a storage keeps it, dense, numbers of s4 one in a byte: the bytes, its scales (s8: f32 [n]; s4:
// bf16 [n, k / group]) and what they mean, whole numbers times scales unrounded.
struct Matrix {
  std::vector<std::uint8_t> bytes, scale_bytes;
  std::vector<double> values;
  const void* data() const { return bytes.data(); }
};
inline Matrix matrix(Storage storage, std::int64_t n, std::int64_t k, std::int64_t group) {
  const auto count = static_cast<std::size_t>(n * k);
  if (storage != Storage::kS8 && storage != Storage::kS4) {
    const Stored stored = store(storage, normal(count, 1, 0.1f));
    return {stored.bytes, {}, std::vector<double>(stored.values.begin(), stored.values.end())};
  }
  Matrix out{std::vector<std::uint8_t>(count), {}, std::vector<double>(count)};
  if (k == 0) out.scale_bytes.resize(static_cast<std::size_t>(4 * n));
  std::mt19937 random(1);
  std::uniform_int_distribution<int> numbers(storage == Storage::kS8 ? -127 : -8, storage == Storage::kS8 ? 127 : 7);
  std::uniform_real_distribution<float> sizes(0.0005f, 0.002f);
  float scale = 0;
  for (std::int64_t i = 0; i < n * k; ++i) {
    if (storage == Storage::kS8 && i % k == 0) {
      scale = sizes(random);
      const auto bits = std::bit_cast<std::uint32_t>(scale);
      for (int b = 0; b < 32; b += 8) out.scale_bytes.push_back(static_cast<std::uint8_t>(bits >> b));
    } else if (storage == Storage::kS4 && i % group == 0) {
      const std::uint16_t bits = to_bf16(16 * sizes(random));
      scale = from_bf16(bits);
      out.scale_bytes.push_back(static_cast<std::uint8_t>(bits));
      out.scale_bytes.push_back(static_cast<std::uint8_t>(bits >> 8));
    }
    const int number = numbers(random);
    out.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(number);
    out.values[static_cast<std::size_t>(i)] = number * double{scale};
  }
  return out;
}

inline double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return x < 0 ? 0.0 : x;
    case Activation::kGeluErf:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
  }
  return x;
}

inline bool same_bits(const float* a, const float* b, std::size_t count) {
  return std::memcmp(a, b, count * sizeof(float)) == 0;
}

}  // namespace ganglion::kernels::plain
