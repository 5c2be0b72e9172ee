#include "checkpoint/random_source.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "base/error.h"

namespace ganglion::checkpoint {
namespace {

constexpr std::int64_t kTableSize = 4096;  // indexed by 12 random bits; 16 KiB of f32 stay in the first cache

// The generator SplitMix64 (Steele, Lea, Flood, 2014): its output function, and the step of its counter.
constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;
std::uint64_t mix(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// x with P(normal < x) = p, by bisection: only the table's 4096 entries are ever computed.
double normal_quantile(double p) {
  double low = -8;
  double high = 8;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

const std::vector<double>& quantiles() {
  static const std::vector<double> table = [] {
    std::vector<double> out;
    double squares = 0;
    for (std::int64_t i = 0; i < kTableSize; ++i) {
      out.push_back(normal_quantile((static_cast<double>(i) + 0.5) / kTableSize));
      squares += out.back() * out.back();
    }
    for (double& value : out) value /= std::sqrt(squares / kTableSize);  // the cut tails lack a little
    return out;
  }();
  return table;
}

std::int64_t row_elements(const Dims& dims) { return dims.empty() ? 1 : element_count(std::span(dims).subspan(1)); }

class RandomSource final : public TensorSource {
 public:
  RandomSource(DType dtype, Dims dims, double deviation, std::uint64_t seed)
      : dims_(std::move(dims)), row_(row_elements(dims_)), seed_(mix(seed + kStep)), table_(dtype, {kTableSize}) {
    for (std::int64_t i = 0; i < kTableSize; ++i) {
      double value = quantiles()[static_cast<std::size_t>(i)] * deviation;
      if (!is_float(dtype)) value = std::nearbyint(value);
      if (dtype == DType::kS8) value = std::clamp(value, -127.0, 127.0);
      set_element_from_double(table_.mutable_view(), i, value);
    }
  }
  DType dtype() const override { return table_.dtype(); }
  const Dims& dims() const override { return dims_; }

  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    switch (dtype_size(dtype())) {
      case 1:
        return fill<std::uint8_t>(begin, end, out);
      case 2:
        return fill<std::uint16_t>(begin, end, out);
      case 4:
        return fill<std::uint32_t>(begin, end, out);
      default:
        return fill<std::uint64_t>(begin, end, out);
    }
  }

 private:
  // T has the size of an element; its bits are copied from the table.
  template <typename T>
  void fill(std::int64_t begin, std::int64_t end, std::byte* bytes) const {
    const T* table = reinterpret_cast<const T*>(table_.data());
    T* out = reinterpret_cast<T*>(bytes);
    for (std::int64_t row = begin; row < end; ++row, out += row_) {
      std::uint64_t counter = mix(seed_ ^ mix(static_cast<std::uint64_t>(row) + 1));
      std::int64_t i = 0;
      for (; i + 5 <= row_; i += 5) {
        const std::uint64_t bits = mix(counter += kStep);
        for (int k = 0; k < 5; ++k) out[i + k] = table[bits >> (12 * k) & (kTableSize - 1)];
      }
      if (i < row_) {
        std::uint64_t bits = mix(counter += kStep);
        for (; i < row_; ++i, bits >>= 12) out[i] = table[bits & (kTableSize - 1)];
      }
    }
  }

  Dims dims_;
  std::int64_t row_;
  std::uint64_t seed_;
  Tensor table_;
};

class ConstantSource final : public TensorSource {
 public:
  ConstantSource(DType dtype, Dims dims, double value)
      : dims_(std::move(dims)), row_(row_elements(dims_)), value_(dtype, {1}) {
    set_element_from_double(value_.mutable_view(), 0, value);
  }
  DType dtype() const override { return value_.dtype(); }
  const Dims& dims() const override { return dims_; }

  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    const std::size_t width = value_.bytes();
    for (std::int64_t i = 0; i < (end - begin) * row_; ++i, out += width) std::memcpy(out, value_.data(), width);
  }

 private:
  Dims dims_;
  std::int64_t row_;
  Tensor value_;
};

}  // namespace

std::shared_ptr<const TensorSource> random_source(DType dtype, Dims dims, double deviation, std::uint64_t seed) {
  if (!is_float(dtype) && !is_signed(dtype)) {
    fail(Code::kInvalidArgument, "[random] {} cannot hold numbers with mean 0; use a float or a signed integer",
         dtype_name(dtype));
  }
  element_count(dims);
  return std::make_shared<RandomSource>(dtype, std::move(dims), deviation, seed);
}

std::shared_ptr<const TensorSource> constant_source(DType dtype, Dims dims, double value) {
  element_count(dims);
  return std::make_shared<ConstantSource>(dtype, std::move(dims), value);
}

}  // namespace ganglion::checkpoint
