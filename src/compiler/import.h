// From a verified module to the graph the passes work on.
#pragma once

#include "compiler/graph.h"

namespace ganglion::compiler {

// Inlines calls, takes tuples apart, recognises composites (composites.h) and elementwise instructions. Fills
// unit.sizes. kUnsupported for custom-call, with the instruction's name and place; kResourceExhausted when inlining
// passes a million nodes.
Graph import_module(Unit& unit);

}  // namespace ganglion::compiler
