// The meaning of every elementwise operation on one number. A float of any type is held as an f32, an integer (or pred)
// of any type as the s64 of the same value; results are brought back to the type by round_to() and wrap().
#pragma once

#include <cstdint>

#include "hlo/module.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace ganglion::reference {

struct Scalar {
  DType dtype = DType::kF32;
  float real = 0;            // when dtype is a float
  std::int64_t integer = 0;  // otherwise
};

Scalar load(const TensorView& tensor, std::int64_t i);
void store(const MutableTensorView& tensor, std::int64_t i, const Scalar& value);  // dtypes are equal

// The nearest number of a float type (ties to even), and the number that an integer type holds after overflow.
float round_to(DType dtype, float value) noexcept;
std::int64_t wrap(DType dtype, std::int64_t value) noexcept;

// Functions of one type class; null when the operation has no meaning there. Results are not yet rounded or wrapped.
using FloatUnary = float (*)(float);
using FloatBinary = float (*)(float, float);
using IntegerUnary = std::int64_t (*)(DType, std::int64_t);
using IntegerBinary = std::int64_t (*)(DType, std::int64_t, std::int64_t);
FloatUnary float_unary(hlo::Opcode opcode) noexcept;
FloatBinary float_binary(hlo::Opcode opcode) noexcept;
IntegerUnary integer_unary(hlo::Opcode opcode) noexcept;
IntegerBinary integer_binary(hlo::Opcode opcode) noexcept;

// The same on scalars, rounded. kUnsupported when the operation has no meaning for the type.
Scalar apply(hlo::Opcode opcode, const Scalar& x);
Scalar apply(hlo::Opcode opcode, const Scalar& a, const Scalar& b);
bool compare(hlo::Comparison comparison, const Scalar& a, const Scalar& b);
// Float to integer drops the fraction, saturates, and makes NaN 0; integer to integer wraps; to pred: is it not zero.
Scalar convert(DType dtype, const Scalar& x);

}  // namespace ganglion::reference
