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

// A float matrix [N, K] quantized row by row as it is read. `to` is kS8 or kS4 (then `group` is a multiple of 8 and divides K).
// Reading throws Error{kDataCorrupt} with `name` where a weight is not a finite number.
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
