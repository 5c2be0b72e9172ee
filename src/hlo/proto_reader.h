// Reads a module from XLA's HloModuleProto: ours, jaxlib's, anybody's. Nothing about the bytes is trusted.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "hlo/module.h"

namespace ganglion::hlo {

// The module, verified. Error{kDataCorrupt}: the bytes are no HloModuleProto, an id that is not there, a literal whose
// length does not fit its shape. Error{kUnsupported}: an opcode, element type, layout or feature that ganglion does not
// have, by name. Error{kInvalidArgument}: what the verifier says. Error{kResourceExhausted}: more than a million
// instructions.
std::unique_ptr<Module> read_proto(std::span<const std::byte> bytes);

}  // namespace ganglion::hlo
