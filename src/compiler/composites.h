// Which composite calls become kernels.
#pragma once

#include <vector>

#include "compiler/graph.h"

namespace ganglion::compiler {

// Fills kind and params of a node for a composite call whose name, version, attributes and operands are what a kernel
// takes; false: run the body. What is asked of operands: a packed weight is a weight parameter, and what indexes the
// cache is an input, so that the runtime can check it before a run.
enum class OperandSource : std::uint8_t { kInput, kWeight, kState, kComputed };
bool recognise_composite(const hlo::Instruction& call, const std::vector<OperandSource>& sources, Node& node);

}  // namespace ganglion::compiler
