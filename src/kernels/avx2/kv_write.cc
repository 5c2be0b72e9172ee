#include "kernels/vector/kv_write.h"

#include "kernels/avx2/kernels.h"
#include "kernels/avx2/vec.h"

namespace ganglion::kernels::avx2 {

template <Storage S>
void kv_write(const KvWriteArgs& args) noexcept {
  KvWrite<Vec, S>::run(args);
}

void kv_scale(const KvWriteArgs& args) noexcept { KvScale<Vec>::run(args); }

template void kv_write<Storage::kF32>(const KvWriteArgs&) noexcept;
template void kv_write<Storage::kF16>(const KvWriteArgs&) noexcept;
template void kv_write<Storage::kBF16>(const KvWriteArgs&) noexcept;
template void kv_write<Storage::kS8>(const KvWriteArgs&) noexcept;

}  // namespace ganglion::kernels::avx2
