#include "reference/scalar.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "tensor/half.h"

namespace ganglion::reference {
namespace {

using hlo::Comparison;
using hlo::Opcode;

int bits_of(DType dtype) { return dtype == DType::kPred ? 1 : static_cast<int>(dtype_size(dtype)) * 8; }

std::uint64_t bit_mask(DType dtype) {
  const int bits = bits_of(dtype);
  return bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

std::int64_t lowest(DType dtype) {
  return is_signed(dtype) ? std::numeric_limits<std::int64_t>::min() >> (64 - bits_of(dtype)) : 0;
}

// Wrapping arithmetic in u64: the low bits are those of any narrower type.
std::int64_t add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
std::int64_t subtract(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t multiply(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

std::int64_t divide(DType dtype, std::int64_t a, std::int64_t b) {
  if (b == 0) return -1;
  if (is_signed(dtype) && a == lowest(dtype) && b == -1) return a;
  return a / b;
}

std::int64_t remainder(DType dtype, std::int64_t a, std::int64_t b) {
  if (b == 0) return a;
  if (is_signed(dtype) && b == -1) return 0;
  return a % b;
}

// A negative exponent is a division 1 / a^-b: 0 unless a is 1 or -1 (a == 0 counts as 0).
std::int64_t power(DType dtype, std::int64_t a, std::int64_t b) {
  if (b < 0) {
    if (a == 1) return 1;
    if (a == -1) return b % 2 == 0 ? 1 : -1;
    return 0;
  }
  std::int64_t result = 1;
  for (std::int64_t base = a; b != 0; b >>= 1) {
    if (b & 1) result = wrap(dtype, multiply(result, base));
    base = wrap(dtype, multiply(base, base));
  }
  return result;
}

std::int64_t shift_left(DType dtype, std::int64_t a, std::int64_t b) {
  if (b < 0 || b >= bits_of(dtype)) return 0;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) << b);
}

std::int64_t shift_right_logical(DType dtype, std::int64_t a, std::int64_t b) {
  if (b < 0 || b >= bits_of(dtype)) return 0;
  return static_cast<std::int64_t>((static_cast<std::uint64_t>(a) & bit_mask(dtype)) >> b);
}

std::int64_t sign(std::int64_t x) { return x > 0 ? 1 : (x < 0 ? -1 : 0); }

// Computed in f64 and rounded once: within half an ulp of f32 plus what the C library is off in f64.
template <double (*function)(double)>
float in_double(float x) {
  return static_cast<float>(function(static_cast<double>(x)));
}

float maximum(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<float>::quiet_NaN();
  if (a == 0 && b == 0) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}

float minimum(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<float>::quiet_NaN();
  if (a == 0 && b == 0) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}

double rsqrt(double x) { return 1.0 / std::sqrt(x); }
double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }

// Ties to even without depending on the rounding mode.
float round_nearest_even(float x) {
  const float down = std::floor(x);
  const float rest = x - down;
  float rounded = rest > 0.5f ? down + 1.0f : down;
  if (rest == 0.5f && std::fmod(down, 2.0f) != 0.0f) rounded = down + 1.0f;
  return std::copysign(std::isfinite(x) ? rounded : x, x);
}

template <typename Number>
bool holds(Comparison comparison, Number a, Number b) {
  switch (comparison) {
    case Comparison::kEq:
      return a == b;
    case Comparison::kNe:
      return a != b;
    case Comparison::kGe:
      return a >= b;
    case Comparison::kGt:
      return a > b;
    case Comparison::kLe:
      return a <= b;
    case Comparison::kLt:
      return a < b;
  }
  return false;
}

[[noreturn]] void no_meaning(Opcode opcode, DType dtype) {
  fail(Code::kUnsupported, "[reference] {} has no meaning for {}", hlo::opcode_name(opcode), dtype_name(dtype));
}

template <typename T>
T read_as(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

template <typename T>
void write_as(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof(T));
}

}  // namespace

Scalar load(const TensorView& tensor, std::int64_t i) {
  const std::byte* at = tensor.data + static_cast<std::size_t>(i) * dtype_size(tensor.dtype);
  switch (tensor.dtype) {
    case DType::kPred:
      return {tensor.dtype, 0, read_as<std::uint8_t>(at) != 0};
    case DType::kS4:
    case DType::kS8:
      return {tensor.dtype, 0, read_as<std::int8_t>(at)};
    case DType::kS32:
      return {tensor.dtype, 0, read_as<std::int32_t>(at)};
    case DType::kS64:
      return {tensor.dtype, 0, read_as<std::int64_t>(at)};
    case DType::kU8:
      return {tensor.dtype, 0, read_as<std::uint8_t>(at)};
    case DType::kU32:
      return {tensor.dtype, 0, read_as<std::uint32_t>(at)};
    case DType::kF16:
      return {tensor.dtype, f16_to_f32(read_as<std::uint16_t>(at)), 0};
    case DType::kBF16:
      return {tensor.dtype, bf16_to_f32(read_as<std::uint16_t>(at)), 0};
    case DType::kF32:
      return {tensor.dtype, read_as<float>(at), 0};
  }
  return {};
}

void store(const MutableTensorView& tensor, std::int64_t i, const Scalar& value) {
  GANGLION_CHECK(value.dtype == tensor.dtype);
  std::byte* at = tensor.data + static_cast<std::size_t>(i) * dtype_size(tensor.dtype);
  switch (tensor.dtype) {
    case DType::kPred:
      return write_as(at, static_cast<std::uint8_t>(value.integer != 0));
    case DType::kS4:
    case DType::kS8:
      return write_as(at, static_cast<std::int8_t>(value.integer));
    case DType::kS32:
      return write_as(at, static_cast<std::int32_t>(value.integer));
    case DType::kS64:
      return write_as(at, value.integer);
    case DType::kU8:
      return write_as(at, static_cast<std::uint8_t>(value.integer));
    case DType::kU32:
      return write_as(at, static_cast<std::uint32_t>(value.integer));
    case DType::kF16:
      return write_as(at, f32_to_f16(value.real));
    case DType::kBF16:
      return write_as(at, f32_to_bf16(value.real));
    case DType::kF32:
      return write_as(at, value.real);
  }
}

float round_to(DType dtype, float value) noexcept {
  if (dtype == DType::kF16) return f16_to_f32(f32_to_f16(value));
  if (dtype == DType::kBF16) return bf16_to_f32(f32_to_bf16(value));
  return value;
}

std::int64_t wrap(DType dtype, std::int64_t value) noexcept {
  switch (dtype) {
    case DType::kPred:
      return value & 1;
    case DType::kS4:
      return ((value & 15) ^ 8) - 8;
    case DType::kS8:
      return static_cast<std::int8_t>(value);
    case DType::kS32:
      return static_cast<std::int32_t>(value);
    case DType::kU8:
      return static_cast<std::uint8_t>(value);
    case DType::kU32:
      return static_cast<std::uint32_t>(value);
    default:
      return value;
  }
}

FloatUnary float_unary(Opcode opcode) noexcept {
  switch (opcode) {
    case Opcode::kNegate:
      return [](float x) { return -x; };
    case Opcode::kAbs:
      return [](float x) { return std::fabs(x); };
    case Opcode::kExponential:
      return in_double<std::exp>;
    case Opcode::kLog:
      return in_double<std::log>;
    case Opcode::kSqrt:
      return in_double<std::sqrt>;
    case Opcode::kRsqrt:
      return in_double<rsqrt>;
    case Opcode::kTanh:
      return in_double<std::tanh>;
    case Opcode::kErf:
      return in_double<std::erf>;
    case Opcode::kLogistic:
      return in_double<logistic>;
    case Opcode::kSign:
      return [](float x) { return std::isnan(x) || x == 0 ? x : std::copysign(1.0f, x); };
    case Opcode::kSine:
      return in_double<std::sin>;
    case Opcode::kCosine:
      return in_double<std::cos>;
    case Opcode::kFloor:
      return [](float x) { return std::floor(x); };
    case Opcode::kRoundNearestEven:
      return round_nearest_even;
    default:
      return nullptr;
  }
}

FloatBinary float_binary(Opcode opcode) noexcept {
  switch (opcode) {
    case Opcode::kAdd:
      return [](float a, float b) { return a + b; };
    case Opcode::kSubtract:
      return [](float a, float b) { return a - b; };
    case Opcode::kMultiply:
      return [](float a, float b) { return a * b; };
    case Opcode::kDivide:
      return [](float a, float b) { return a / b; };
    case Opcode::kMaximum:
      return maximum;
    case Opcode::kMinimum:
      return minimum;
    case Opcode::kPower:
      return
          [](float a, float b) { return static_cast<float>(std::pow(static_cast<double>(a), static_cast<double>(b))); };
    case Opcode::kRemainder:
      return [](float a, float b) { return std::fmod(a, b); };
    default:
      return nullptr;
  }
}

IntegerUnary integer_unary(Opcode opcode) noexcept {
  switch (opcode) {
    case Opcode::kNegate:
      return [](DType, std::int64_t x) { return subtract(0, x); };
    case Opcode::kAbs:
      return [](DType, std::int64_t x) { return x < 0 ? subtract(0, x) : x; };
    case Opcode::kSign:
      return [](DType, std::int64_t x) { return sign(x); };
    case Opcode::kNot:
      return [](DType, std::int64_t x) { return ~x; };
    default:
      return nullptr;
  }
}

IntegerBinary integer_binary(Opcode opcode) noexcept {
  switch (opcode) {
    case Opcode::kAdd:
      return [](DType, std::int64_t a, std::int64_t b) { return add(a, b); };
    case Opcode::kSubtract:
      return [](DType, std::int64_t a, std::int64_t b) { return subtract(a, b); };
    case Opcode::kMultiply:
      return [](DType, std::int64_t a, std::int64_t b) { return multiply(a, b); };
    case Opcode::kDivide:
      return divide;
    case Opcode::kMaximum:
      return [](DType, std::int64_t a, std::int64_t b) { return a > b ? a : b; };
    case Opcode::kMinimum:
      return [](DType, std::int64_t a, std::int64_t b) { return a < b ? a : b; };
    case Opcode::kPower:
      return power;
    case Opcode::kRemainder:
      return remainder;
    case Opcode::kAnd:
      return [](DType, std::int64_t a, std::int64_t b) { return a & b; };
    case Opcode::kOr:
      return [](DType, std::int64_t a, std::int64_t b) { return a | b; };
    case Opcode::kXor:
      return [](DType, std::int64_t a, std::int64_t b) { return a ^ b; };
    case Opcode::kShiftLeft:
      return shift_left;
    case Opcode::kShiftRightLogical:
      return shift_right_logical;
    default:
      return nullptr;
  }
}

Scalar apply(Opcode opcode, const Scalar& x) {
  if (is_float(x.dtype)) {
    const FloatUnary function = float_unary(opcode);
    if (function == nullptr) no_meaning(opcode, x.dtype);
    return {x.dtype, round_to(x.dtype, function(x.real)), 0};
  }
  const IntegerUnary function = integer_unary(opcode);
  if (function == nullptr) no_meaning(opcode, x.dtype);
  return {x.dtype, 0, wrap(x.dtype, function(x.dtype, x.integer))};
}

Scalar apply(Opcode opcode, const Scalar& a, const Scalar& b) {
  GANGLION_CHECK(a.dtype == b.dtype);
  if (is_float(a.dtype)) {
    const FloatBinary function = float_binary(opcode);
    if (function == nullptr) no_meaning(opcode, a.dtype);
    return {a.dtype, round_to(a.dtype, function(a.real, b.real)), 0};
  }
  const IntegerBinary function = integer_binary(opcode);
  if (function == nullptr) no_meaning(opcode, a.dtype);
  return {a.dtype, 0, wrap(a.dtype, function(a.dtype, a.integer, b.integer))};
}

bool compare(Comparison comparison, const Scalar& a, const Scalar& b) {
  GANGLION_CHECK(a.dtype == b.dtype);
  return is_float(a.dtype) ? holds(comparison, a.real, b.real) : holds(comparison, a.integer, b.integer);
}

Scalar convert(DType dtype, const Scalar& x) {
  if (dtype == DType::kPred) return {dtype, 0, is_float(x.dtype) ? x.real != 0 : x.integer != 0};
  if (is_float(dtype)) {
    return {dtype, round_to(dtype, is_float(x.dtype) ? x.real : static_cast<float>(x.integer)), 0};
  }
  if (!is_float(x.dtype)) return {dtype, 0, wrap(dtype, x.integer)};
  if (std::isnan(x.real)) return {dtype, 0, 0};
  const std::int64_t low = lowest(dtype);
  const std::int64_t high = static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + bit_mask(dtype));
  // 2^k bounds are exact in f64, so the comparisons are too; `high` of s64 rounds up to 2^63, which saturates as well.
  const double value = std::trunc(static_cast<double>(x.real));
  if (value <= static_cast<double>(low)) return {dtype, 0, low};
  if (value >= static_cast<double>(high)) return {dtype, 0, high};
  return {dtype, 0, static_cast<std::int64_t>(value)};
}

}  // namespace ganglion::reference
