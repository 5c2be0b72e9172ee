// Writes a module as XLA's HloModuleProto: what PJRT plugins ("hlo"), neuronx-cc and jaxlib read.
#pragma once

#include <string>

#include "hlo/module.h"

namespace ganglion::hlo {

// The serialized bytes. Composites are calls with is_composite; row-major layouts are written out; roles, places and
// row bindings go into attributes that XLA keeps and ignores, so read_proto gives an equal module. The same module
// gives the same bytes. The module must be verified.
std::string write_proto(const Module& module);

}  // namespace ganglion::hlo
