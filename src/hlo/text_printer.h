// Prints a module as HLO text, in the form XLA's own parser reads.
#pragma once

#include <string>

#include "hlo/module.h"

namespace ganglion::hlo {

// The module must be verified. Floats are printed with as many digits as give the same number back.
std::string print_text(const Module& module);

}  // namespace ganglion::hlo
