// Matrices in whole numbers: a weight is a number times a scale. Symmetric, so that zero stays zero.
//   s8: numbers -127..127, one scale f32 a row (an output channel of a linear layer, a token of a vocabulary);
//   s4: numbers -8..7, one scale bf16 for each `group` neighbours of a row. A number times a bf16 is exact in f32.
// Only the row decides what becomes of it, so a matrix quantized when it is loaded has the bits of one that was
// quantized to a file before.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kernels/table.h"
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

// Quantizes rows of a float matrix [N, K]. Thread-safe, and what is read does not depend on what was read before or by
// how many threads. Scales are looked for once: those of rows that were read are kept, whichever of numbers and scales
// was asked for, as long as the quantizer lives (two bytes for each group, or four for each row).
class Quantizer {
 public:
  // `to` is kS8 or kS4; then `group` is a multiple of 8 and divides K. `name` is for messages.
  Quantizer(std::shared_ptr<const TensorSource> matrix, DType to, std::int64_t group, std::string name);
  ~Quantizer();

  const TensorSource& matrix() const noexcept { return *matrix_; }
  DType type() const noexcept { return to_; }
  DType scale_type() const noexcept { return to_ == DType::kS8 ? DType::kF32 : DType::kBF16; }
  const Dims& scale_dims() const noexcept { return scale_dims_; }

  // Rows [begin, end), one number in a byte. `errors`, when given, is added to, one for each row. Error{kDataCorrupt}
  // where a weight is not a finite number, and what the source throws.
  void read_numbers(std::int64_t begin, std::int64_t end, std::int8_t* numbers, SquaredError* errors = nullptr) const;
  // The same rows, columns [first, last) only. Cheaper than whole rows when their scales are kept already.
  void read_numbers_of(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last,
                       std::int8_t* numbers) const;
  // Of rows [begin, end), in scale_type().
  void read_scales(std::int64_t begin, std::int64_t end, std::byte* scales) const;

 private:
  class KeptScales;

  std::int64_t groups() const noexcept { return to_ == DType::kS4 ? scale_dims_[1] : 1; }
  std::int64_t scale_bytes() const noexcept { return to_ == DType::kS4 ? 2 * groups() : 4; }  // of a row
  // Either of numbers and scales may be null.
  void read(std::int64_t begin, std::int64_t end, std::int8_t* numbers, std::byte* scales, SquaredError* errors) const;
  void search(const float* row, std::int64_t index, std::byte* scales) const;
  void round(const float* row, const std::byte* scales, std::int8_t* numbers, std::int64_t cols) const;

  const std::shared_ptr<const TensorSource> matrix_;
  const DType to_;
  const std::int64_t group_;
  const std::string name_;
  Dims scale_dims_;
  const kernels::Table& table_;
  const std::unique_ptr<KeptScales> kept_;
};

// The matrix as two sources, each quantizing as it is read; arguments and errors as Quantizer's.
QuantizedMatrix quantize(std::shared_ptr<const TensorSource> matrix, DType to, std::int64_t group,
                         const std::string& name);

// How files keep s4 [N, K]: u8 [N, K / 2], elements 2i and 2i + 1 of a row in the low and the high four bits of byte i,
// two's complement. K is even.
std::shared_ptr<const TensorSource> pairs_of(std::shared_ptr<const TensorSource> numbers);
std::shared_ptr<const TensorSource> numbers_of(std::shared_ptr<const TensorSource> pairs);

}  // namespace ganglion::checkpoint
