// The operations that need nothing but their operands, by family. Each takes the instruction (verified), its operands
// and the dims of its result as they are in this run (bounded rows resolved), and gives a dense result. Operands' dims
// have been checked by the verifier up to bounded rows; a disagreement of rows is kInvalidArgument.
#pragma once

#include <functional>
#include <vector>

#include "hlo/module.h"
#include "hlo/shape_inference.h"
#include "reference/scalar.h"
#include "reference/value.h"

namespace ganglion::reference {

using Operands = std::vector<TensorView>;

// A computation applied to scalars: the elements of its root tuple, or its root alone.
using ScalarFunction = std::function<std::vector<Scalar>(const std::vector<Scalar>&)>;

// elementwise.cc: unary, binary, compare, select, clamp, convert, bitcast-convert.
Tensor elementwise(const hlo::Instruction& instruction, const Operands& operands, const Dims& dims);

// shape_ops.cc: iota, broadcast, transpose, concatenate, slice, dynamic-slice, dynamic-update-slice, pad, reverse.
Tensor shape_op(const hlo::Instruction& instruction, const Operands& operands, const Dims& dims);

// dot.cc
Tensor dot(const hlo::Instruction& instruction, const Operands& operands, const Dims& dims);

// gather_scatter.cc
Tensor gather(const hlo::Instruction& instruction, const Operands& operands, const Dims& dims);
Tensor scatter(const hlo::Instruction& instruction, const Operands& operands, const ScalarFunction& combine);

// reduce_sort.cc: operands of reduce are N arrays and then N starting values; results as many.
std::vector<Tensor> reduce(const hlo::Instruction& instruction, const Operands& operands,
                           const ScalarFunction& combine);
std::vector<Tensor> sort(const hlo::Instruction& instruction, const Operands& operands,
                         const ScalarFunction& comes_before);

// collectives.cc: operands[m] is what member m of a group brings; every member gets the result.
Tensor all_reduce(const Operands& operands, const ScalarFunction& combine);
Tensor all_gather(const hlo::Instruction& instruction, const Operands& operands);
// The groups of a collective as indices into `ranks`, in the order they combine in. kInvalidArgument when a rank is in
// no group, or a group names a rank that does not run.
std::vector<std::vector<std::size_t>> members_of_groups(const hlo::Instruction& instruction,
                                                        const std::vector<int>& ranks);

// kInvalidArgument unless the dims are equal.
void expect_dims(const hlo::Instruction& instruction, const Dims& seen, const Dims& wanted);

}  // namespace ganglion::reference
