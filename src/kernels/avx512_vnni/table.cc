#include "kernels/avx512_vnni/make_table.h"
#include "kernels/tables.h"

namespace ganglion::kernels {

constinit const Table kAvx512VnniTable = make_avx512_vnni_table();

}  // namespace ganglion::kernels
