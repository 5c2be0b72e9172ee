#include "hlo/infer.h"

namespace ganglion::hlo::infer {

Shape parameter(const Instruction& i) {
  want_operands(i, 0);
  const std::string problem = shape_problem(i.shape);
  if (!problem.empty()) refuse(i, "{}", problem);
  if (i.parameter_number < 0) refuse(i, "its number {} is negative", i.parameter_number);
  return i.shape;
}

Shape constant(const Instruction& i) {
  want_operands(i, 0);
  if (i.literal == nullptr) refuse(i, "it has no literal");
  return Shape::array(i.literal->dtype(), i.literal->dims());
}

Shape iota(const Instruction& i) {
  want_operands(i, 0);
  want_declared_array(i);
  if (i.shape.dtype == DType::kPred) refuse(i, "wants numbers, got pred");
  if (i.dimensions.size() != 1) refuse(i, "it has {} dimensions, wants one to count along", i.dimensions.size());
  want_dimension(i, "iota_dimension", i.dimensions[0], i.shape.rank());
  return i.shape;
}

Shape broadcast(const Instruction& i) {
  want_operands(i, 1);
  const Shape& x = array_operand(i, 0);
  want_declared_array(i);
  if (i.shape.dtype != x.dtype) refuse(i, "to {}: the types differ", i.shape.text());
  if (static_cast<int>(i.dimensions.size()) != x.rank()) {
    refuse(i, "to {}: {} dimensions are given for rank {}", i.shape.text(), i.dimensions.size(), x.rank());
  }
  want_distinct(i, "dimensions", i.dimensions, i.shape.rank());
  for (int d = 0; d < x.rank(); ++d) {
    const auto to = static_cast<std::size_t>(i.dimensions[d]);
    if (d > 0 && i.dimensions[d] < i.dimensions[d - 1])
      refuse(i, "to {}: dimensions must increase; transpose first", i.shape.text());
    if (x.dims[d] != i.shape.dims[to]) {
      refuse(i, "to {}: dimension {} of size {} cannot become dimension {} of size {}", i.shape.text(), d, x.dims[d],
             to, i.shape.dims[to]);
    }
  }
  if (x.bounded && (i.dimensions[0] != 0 || !i.shape.bounded)) {
    refuse(i, "to {}: bounded rows must stay the first dimension and stay bounded", i.shape.text());
  }
  if (!x.bounded && i.shape.bounded && contains(i.dimensions, 0)) {
    refuse(i, "to {}: exactly {} rows cannot become bounded rows", i.shape.text(), x.dims[0]);
  }
  return i.shape;
}

Shape reshape(const Instruction& i) {
  want_operands(i, 1);
  const Shape& x = array_operand(i, 0);
  want_declared_array(i);
  if (i.shape.dtype != x.dtype) refuse(i, "to {}: the types differ", i.shape.text());
  if (element_count(i.shape.dims) != element_count(x.dims)) {
    refuse(i, "to {}: {} elements cannot become {}", i.shape.text(), element_count(x.dims),
           element_count(i.shape.dims));
  }
  if (x.bounded != i.shape.bounded) refuse(i, "to {}: rows must stay bounded, or stay exact", i.shape.text());
  if (x.bounded && x.dims[0] != i.shape.dims[0]) {
    refuse(i, "to {}: bounded rows must stay the first dimension", i.shape.text());
  }
  return i.shape;
}

Shape transpose(const Instruction& i) {
  want_operands(i, 1);
  const Shape& x = array_operand(i, 0);
  if (static_cast<int>(i.dimensions.size()) != x.rank()) {
    refuse(i, "the permutation has {} entries for rank {}", i.dimensions.size(), x.rank());
  }
  want_distinct(i, "the permutation", i.dimensions, x.rank());
  if (x.bounded && i.dimensions[0] != 0) refuse(i, "bounded rows must stay the first dimension");
  Shape out = x;
  for (int d = 0; d < x.rank(); ++d) out.dims[d] = x.dims[i.dimensions[d]];
  return out;
}

Shape reverse(const Instruction& i) {
  want_operands(i, 1);
  const Shape& x = array_operand(i, 0);
  want_distinct(i, "dimensions", i.dimensions, x.rank());
  if (x.bounded && contains(i.dimensions, 0)) refuse(i, "bounded rows cannot be reversed");
  return x;
}

Shape concatenate(const Instruction& i) {
  want_at_least(i, 1);
  if (i.dimensions.size() != 1) refuse(i, "it has {} dimensions, wants one to join along", i.dimensions.size());
  const std::int64_t along = i.dimensions[0];
  Shape out = array_operand(i, 0);
  want_dimension(i, "dimensions", along, out.rank());
  if (out.bounded && along == 0) refuse(i, "bounded rows cannot be joined along the rows");
  for (std::size_t k = 1; k < i.operands.size(); ++k) {
    const Shape& part = array_operand(i, k);
    if (part.dtype != out.dtype) refuse(i, "types {} and {} differ", dtype_name(out.dtype), dtype_name(part.dtype));
    if (part.rank() != out.rank()) refuse(i, "ranks {} and {} differ", out.rank(), part.rank());
    if (part.bounded != out.bounded) refuse(i, "one has bounded rows, the other has not; both must have the same rows");
    for (int d = 0; d < out.rank(); ++d) {
      if (d != along && part.dims[d] != out.dims[d]) {
        refuse(i, "sizes {} and {} of dimension {} differ", out.dims[d], part.dims[d], d);
      }
    }
    out.dims[along] += part.dims[along];
    const std::string problem = shape_problem(out);
    if (!problem.empty()) refuse(i, "{}", problem);
  }
  return out;
}

Shape pad(const Instruction& i) {
  want_operands(i, 2);
  Shape out = array_operand(i, 0);
  if (array_operand(i, 1) != Shape::array(out.dtype, {}))
    refuse(i, "the padding value must be a scalar {}", dtype_name(out.dtype));
  if (static_cast<int>(i.padding.size()) != out.rank()) {
    refuse(i, "padding for {} dimensions, wants {}", i.padding.size(), out.rank());
  }
  for (int d = 0; d < out.rank(); ++d) {
    constexpr std::int64_t kLimit = std::int64_t{1} << 40;
    const auto [low, high, interior] = i.padding[d];
    if (interior < 0 || interior > kLimit || low < -kLimit || low > kLimit || high < -kLimit || high > kLimit) {
      refuse(i, "dimension {}: padding low {}, high {}, interior {}; interior must not be negative, none beyond 2^40",
             d, low, high, interior);
    }
    if (d == 0 && out.bounded && (low != 0 || high != 0 || interior != 0)) refuse(i, "bounded rows cannot be padded");
    const std::int64_t gaps = out.dims[d] > 0 ? out.dims[d] - 1 : 0;
    std::int64_t inner = 0;
    if (__builtin_mul_overflow(gaps, interior, &inner) || inner > kLimit)
      refuse(i, "dimension {}: interior padding {} is too large", d, interior);
    out.dims[d] += inner + low + high;
    if (out.dims[d] < 0) refuse(i, "dimension {}: negative padding leaves size {}", d, out.dims[d]);
  }
  const std::string problem = shape_problem(out);
  if (!problem.empty()) refuse(i, "{}", problem);
  return out;
}

}  // namespace ganglion::hlo::infer
