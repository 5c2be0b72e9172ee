// What each opcode wants of its operands and fields, and the shape it gives. The Builder and the verifier both call
// infer_shape, so a module that was built is a module that verifies.
//
// "shape" in the fields' column: the instruction's own shape is part of what the caller says and is checked, not
// derived.
//
//   opcode                      operands             fields
//   parameter                   -                    shape, parameter_number (entry: role, sharded)
//   constant                    -                    literal
//   iota                        -                    shape, dimensions {d}
//   broadcast                   x                    shape, dimensions (operand dimension i becomes dimensions[i])
//   reshape                     x                    shape (same element count)
//   transpose                   x                    dimensions (a permutation; result dim i is operand dim
//   dimensions[i]) convert, bitcast-convert    x                    shape.dtype concatenate                 one or more
//   dimensions {d} slice                       x                    starts, limits, strides (each of x's rank)
//   dynamic-slice               x, one s32[] a dim   slice_sizes
//   dynamic-update-slice        x, update, s32[]...  -
//   pad                         x, value (scalar)    padding
//   reverse                     x                    dimensions
//   negate .. not               x                    -
//   add .. shift-right-logical  a, b                 -
//   compare                     a, b                 comparison
//   select                      pred, a, b           -
//   clamp                       low, x, high         -
//   dot                         a, b                 dot, shape.dtype
//   reduce                      x, init (scalar)     dimensions, called {(acc, element) -> acc}
//   gather                      x, indices           gather
//   scatter                     x, indices, updates  scatter, called {(old, new) -> stored}
//   sort                        one or more          dimensions {d}, is_stable, called {(a0, b0, a1, b1, ...) ->
//   pred[]} call                        the callee's         called {callee}, composite while init called {condition,
//   body} tuple                       any                  - get-tuple-element           tuple tuple_index custom-call
//   any                  shape, custom_call_target all-reduce                  x                    replica_groups,
//   called {(a, b) -> a} all-gather                  x                    shape, replica_groups, dimensions {d}
//   replica-id                  -                    -
//
// Bounded rows (dims[0] an upper bound) go through row by row or not at all; what would lose, move, mix or sum them is
// refused:
//   elementwise            all array operands bounded by the same bound, or none (clamp's scalars excepted)
//   broadcast              bounded dimension 0 stays dimension 0; what has no rows (a bias) may be repeated over
//   bounded rows iota                   may be bounded: which size governs it follows from its users (rows.h) reshape
//   the first dimension is kept transpose, reverse     leave dimension 0 where it is slice, pad             take
//   dimension 0 whole dynamic slices         take dimension 0 whole, and an update is bounded as its operand is
//   concatenate, sort      along another dimension
//   dot                    lhs dimension 0 bounded and free and no batch dimensions, rhs exact; or both dimensions 0
//                          bounded and the first batch dimension
//   reduce                 over other dimensions
//   gather                 result bounded when the indices are (and the result's first dimension is the indices'
//   first);
//                          a bounded operand is only read a row at a time, with indices clamped to the rows there are
//   scatter                operand exact; updates are bounded as the indices are
//   custom-call            a bounded result wants an operand with the same bound
//   all-gather             along another dimension
#pragma once

#include <string>

#include "hlo/module.h"

namespace ganglion::hlo {

// The shape of an instruction, from its opcode, operands and fields (its name and place only appear in errors).
// Operands and called computations must be there (not null, with roots) but need not suit. Error{kInvalidArgument}:
// "[opt] layer 3: dot of f16[5,768] and f16[512,768]: contracted sizes 768 and 512 differ"; Error{kUnsupported}: right
// in XLA, not offered here (more than one operand of a reduce, scatter or all-reduce).
Shape infer_shape(const Instruction& instruction);

// A shape that may exist: sizes not negative, fewer than 2^40 elements, rank at most 16, bounded only with a first
// dimension, tuples at most 4 deep. Returns what is wrong, empty when nothing is.
std::string shape_problem(const Shape& shape);

// "[opt] layer 3: %dot.5": where errors about an instruction begin; "[hlo]" when it has no place, no name when it has
// none.
std::string where(const Instruction& instruction);
// "dot of f16[5,768] and f16[512,768]"
std::string describe(const Instruction& instruction);

}  // namespace ganglion::hlo
