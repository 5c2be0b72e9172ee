// From the graph to steps: which value lies in which buffer, what is written in place, and the steps of every node.
// Buffers in the arenas have numbers here (Operand::index); plan_memory gives them their offsets.
#pragma once

#include "compiler/graph.h"
#include "kernels/table.h"

namespace ganglion::compiler {

// Buffers of the arenas, as lowering leaves them for plan_memory.
struct ArenaBuffer {
  bool shared = false;
  std::int64_t bytes = 0;
};

struct Lowered {
  program::Program program;
  std::vector<ArenaBuffer> buffers;
};

// Nodes that are not dead become steps. kUnsupported, with the instruction's name and place, for what has no step.
Lowered lower(const Graph& graph, const Unit& unit, const kernels::Table& table);

}  // namespace ganglion::compiler
