#include "hlo/infer.h"

namespace ganglion::hlo::infer {
namespace {

// Sums of floats may be kept in a wider float, sums of 8-bit integers in 32 bits.
bool may_accumulate_in(DType from, DType to) {
  if (from == to) return from != DType::kPred;
  if (is_float(from)) return to == DType::kF32;
  if (from == DType::kS8) return to == DType::kS32;
  if (from == DType::kU8) return to == DType::kU32 || to == DType::kS32;
  return false;
}

Dims free_dims(const Shape& shape, const Dims& contracting, const Dims& batch) {
  Dims out;
  for (int d = 0; d < shape.rank(); ++d) {
    if (!contains(contracting, d) && !contains(batch, d)) out.push_back(shape.dims[d]);
  }
  return out;
}

void want_pairs(const Instruction& i, const char* kind, const Dims& lhs, const Dims& rhs) {
  const Shape& a = i.operands[0]->shape;
  const Shape& b = i.operands[1]->shape;
  if (lhs.size() != rhs.size())
    refuse(i, "{} {} dimensions on the left, {} on the right", lhs.size(), kind, rhs.size());
  for (std::size_t k = 0; k < lhs.size(); ++k) {
    const std::int64_t left = a.dims[static_cast<std::size_t>(lhs[k])];
    const std::int64_t right = b.dims[static_cast<std::size_t>(rhs[k])];
    if (left != right) refuse(i, "{} sizes {} and {} differ", kind, left, right);
  }
}

// Whether the result's rows are bounded; refuses what would lose, move or mix them.
bool bounded_dot(const Instruction& i, const Shape& a, const Shape& b) {
  const DotDims& d = i.dot;
  if (contains(d.lhs_contracting, 0) && a.bounded) refuse(i, "bounded rows of the left operand cannot be contracted");
  if (contains(d.rhs_contracting, 0) && b.bounded) refuse(i, "bounded rows of the right operand cannot be contracted");
  if (!a.bounded && !b.bounded) return false;
  const bool rows_are_first_batch = !d.lhs_batch.empty() && d.lhs_batch[0] == 0 && d.rhs_batch[0] == 0;
  if (a.bounded && b.bounded) {
    if (!rows_are_first_batch) refuse(i, "two operands with bounded rows want them as the first batch dimension");
    return true;
  }
  if (b.bounded) refuse(i, "bounded rows of the right operand cannot become columns");
  if (!d.lhs_batch.empty()) refuse(i, "bounded rows of the left operand cannot stand behind batch dimensions");
  return true;
}

}  // namespace

Shape dot(const Instruction& i) {
  want_operands(i, 2);
  const Shape& a = array_operand(i, 0);
  const Shape& b = array_operand(i, 1);
  const DotDims& d = i.dot;
  if (a.dtype != b.dtype) refuse(i, "types {} and {} differ", dtype_name(a.dtype), dtype_name(b.dtype));
  if (!may_accumulate_in(a.dtype, i.shape.dtype))
    refuse(i, "sums of {} cannot be {}", dtype_name(a.dtype), dtype_name(i.shape.dtype));
  Dims left = d.lhs_contracting;
  left.insert(left.end(), d.lhs_batch.begin(), d.lhs_batch.end());
  Dims right = d.rhs_contracting;
  right.insert(right.end(), d.rhs_batch.begin(), d.rhs_batch.end());
  want_distinct(i, "the left operand's dot dimensions", left, a.rank());
  want_distinct(i, "the right operand's dot dimensions", right, b.rank());
  want_pairs(i, "contracted", d.lhs_contracting, d.rhs_contracting);
  want_pairs(i, "batch", d.lhs_batch, d.rhs_batch);
  Shape out = Shape::array(i.shape.dtype, {});
  for (const std::int64_t batch : d.lhs_batch) out.dims.push_back(a.dims[static_cast<std::size_t>(batch)]);
  for (const std::int64_t size : free_dims(a, d.lhs_contracting, d.lhs_batch)) out.dims.push_back(size);
  for (const std::int64_t size : free_dims(b, d.rhs_contracting, d.rhs_batch)) out.dims.push_back(size);
  out.bounded = bounded_dot(i, a, b);
  const std::string problem = shape_problem(out);
  if (!problem.empty()) refuse(i, "{}", problem);
  return out;
}

Shape reduce(const Instruction& i) {
  if (i.operands.size() > 2 && i.operands.size() % 2 == 0) {
    fail(Code::kUnsupported, "{}: {}: only one array at a time can be reduced", where(i), describe(i));
  }
  want_operands(i, 2);
  const Shape& x = array_operand(i, 0);
  const Shape scalar = Shape::array(x.dtype, {});
  if (array_operand(i, 1) != scalar) refuse(i, "the initial value must be a scalar {}", dtype_name(x.dtype));
  want_distinct(i, "dimensions", i.dimensions, x.rank());
  if (x.bounded && contains(i.dimensions, 0)) refuse(i, "bounded rows cannot be reduced");
  want_called(i, 1);
  want_signature(i, 0, {scalar, scalar}, scalar);
  Shape out = Shape::array(x.dtype, {}, x.bounded);
  for (int d = 0; d < x.rank(); ++d) {
    if (!contains(i.dimensions, d)) out.dims.push_back(x.dims[d]);
  }
  return out;
}

Shape sort(const Instruction& i) {
  want_at_least(i, 1);
  const Shape& first = array_operand(i, 0);
  if (i.dimensions.size() != 1) refuse(i, "it has {} dimensions, wants one to sort along", i.dimensions.size());
  want_dimension(i, "dimensions", i.dimensions[0], first.rank());
  if (first.bounded && i.dimensions[0] == 0) refuse(i, "bounded rows cannot be sorted along the rows");
  std::vector<Shape> scalars;
  std::vector<Shape> results;
  for (std::size_t k = 0; k < i.operands.size(); ++k) {
    const Shape& x = array_operand(i, k);
    if (x.dims != first.dims || x.bounded != first.bounded) refuse(i, "operands 0 and {} have different dims", k);
    scalars.insert(scalars.end(), 2, Shape::array(x.dtype, {}));
    results.push_back(x);
  }
  want_called(i, 1);
  want_signature(i, 0, scalars, Shape::array(DType::kPred, {}));
  return results.size() == 1 ? results[0] : Shape::tuple(std::move(results));
}

}  // namespace ganglion::hlo::infer
