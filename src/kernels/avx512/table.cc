#include "kernels/avx512/make_table.h"
#include "kernels/tables.h"

namespace ganglion::kernels {

constinit const Table kAvx512Table = make_avx512_table();

}  // namespace ganglion::kernels
