// Which composite calls become kernels.
#pragma once

#include <vector>

#include "compiler/graph.h"

namespace ganglion::compiler {

// Fills kind and params of a node for a composite call whose name, version, attributes and operands are what a kernel
// takes; false: run the body. `weight` says whether an operand is a weight parameter of the entry.
bool recognise_composite(const hlo::Instruction& call, const std::vector<bool>& weight, Node& node);

}  // namespace ganglion::compiler
