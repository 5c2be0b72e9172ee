// The tables compiled in, one per folder. Constant-initialised: reading one runs no code of its instruction set.
#pragma once

#include "kernels/table.h"

namespace ganglion::kernels {

extern const Table kScalarTable;
extern const Table kAvx2Table;
extern const Table kAvx512Table;
extern const Table kAvx512VnniTable;
extern const Table kAmxTable;

}  // namespace ganglion::kernels
