// The passes, one file each. Every pass takes a graph in order (operands before users) and leaves one; none takes more
// than linear time (times the small bound on how much one node may hold).
#pragma once

#include "compiler/graph.h"

namespace ganglion::compiler {

// Gives every bounded result the size that counts its real rows; a value whose rows nothing decides is computed at its
// bound.
void infer_rows(Graph& graph, const Unit& unit);
// Removes what does nothing: reshapes, converts, broadcasts and transposes to the same shape, collectives of one rank.
// Checks the collectives' groups against the number of ranks (kInvalidArgument).
void simplify(Graph& graph, const Unit& unit);
// Computes pure nodes whose operands are small constants.
void fold_constants(Graph& graph, const Unit& unit);
// Equal nodes with equal operands become one.
void share_common(Graph& graph, const Unit& unit);
// Lets elementwise nodes read rows, columns and scalars directly instead of through a broadcast; finds relu.
void absorb_broadcasts(Graph& graph, const Unit& unit);
// dot(x, weight), dot(x, convert(weight)) with the weight's dtype f32, f16 or bf16 become packed matmuls.
void recognise_matmul(Graph& graph, const Unit& unit);
// Bias, activation and residual go into the matmul (or all-reduce) before them.
void fuse_epilogue(Graph& graph, const Unit& unit);
// Chains of elementwise nodes become one.
void fuse_elementwise(Graph& graph, const Unit& unit);
// Marks what is equal on all ranks, to be computed once.
void mark_replicated(Graph& graph, const Unit& unit);
// Marks nodes that no output needs dead.
void drop_dead(Graph& graph, const Unit& unit);

// Operands before users, shapes set, every value in range: kInternal with the pass's name otherwise.
void check_graph(const Graph& graph, const char* after);

}  // namespace ganglion::compiler
