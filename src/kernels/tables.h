// The tables compiled in, one per folder. Constant-initialised: reading one runs no code of its instruction set.
#pragma once

#include "kernels/table.h"

namespace ganglion::kernels {

extern const Table kScalarTable;

}  // namespace ganglion::kernels
