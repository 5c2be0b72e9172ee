// Matrices in whole numbers: a weight is a number times a scale. Symmetric, so that zero stays zero.
//   s8: numbers -127..127, one scale f32 a row (an output channel of a linear layer, a token of a vocabulary);
//   s4: numbers -8..7, one scale bf16 for each `group` neighbours of a row. A number times a bf16 is exact in f32.
// Only the row decides what becomes of it, so a matrix quantized when it is loaded has the bits of one that was
// quantized to a file before.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tensor/source.h"

namespace ganglion::checkpoint {

struct QuantizedMatrix {
  std::shared_ptr<const TensorSource> numbers;  // s8 or s4 [N, K]
  std::shared_ptr<const TensorSource> scales;   // f32 [N]; bf16 [N, K / group]
};

// Squares summed over elements: of what quantizing changed, and of what there was.
struct SquaredError {
  double error = 0;
  double whole = 0;
};

// Quantizes rows of a float matrix [N, K]. Immutable and thread-safe.
class Quantizer {
 public:
  // `to` is kS8 or kS4; then `group` is a multiple of 8 and divides K. `name` is for messages.
  Quantizer(std::shared_ptr<const TensorSource> matrix, DType to, std::int64_t group, std::string name);

  const TensorSource& matrix() const noexcept { return *matrix_; }
  DType type() const noexcept { return to_; }
  DType scale_type() const noexcept { return to_ == DType::kS8 ? DType::kF32 : DType::kBF16; }
  const Dims& scale_dims() const noexcept { return scale_dims_; }

  // Rows [begin, end): `numbers` [rows, K], one in a byte, and `scales` of scale_type(); either may be null. Adds to
  // `error` when it is given. Error{kDataCorrupt} where a weight is not a finite number, and what the source throws.
  void read(std::int64_t begin, std::int64_t end, std::int8_t* numbers, std::byte* scales,
            SquaredError* error = nullptr) const;

 private:
  void check(const float* row, std::int64_t index) const;

  const std::shared_ptr<const TensorSource> matrix_;
  const DType to_;
  const std::int64_t group_;
  const std::string name_;
  Dims scale_dims_;
};

// The matrix as two sources, each quantizing as it is read; arguments and errors as Quantizer's.
QuantizedMatrix quantize(std::shared_ptr<const TensorSource> matrix, DType to, std::int64_t group,
                         const std::string& name);

// A row: returns its scale, the largest magnitude / 127. A group (count a multiple of 8): returns its scale as bf16
// bits, of either sign, so that the value of largest magnitude falls on the longer side. All values are finite.
float quantize_row_s8(const float* row, std::int64_t count, std::int8_t* numbers) noexcept;
std::uint16_t quantize_group_s4(const float* row, std::int64_t count, std::int8_t* numbers) noexcept;

// How files keep s4 [N, K]: u8 [N, K / 2], elements 2i and 2i + 1 of a row in the low and the high four bits of byte i,
// two's complement. K is even.
std::shared_ptr<const TensorSource> pairs_of(std::shared_ptr<const TensorSource> numbers);
std::shared_ptr<const TensorSource> numbers_of(std::shared_ptr<const TensorSource> pairs);

}  // namespace ganglion::checkpoint
