#include "kernels/scalar/half.h"
#include "kernels/scalar/kernels.h"

namespace ganglion::kernels::scalar {

template <Storage S>
void kv_write(const KvWriteArgs& args) noexcept {
  auto* cache = static_cast<typename Stored<S>::Type*>(args.cache);
  for (std::int64_t token = args.token_begin; token < args.token_end; ++token) {
    const std::int64_t slot = args.slot[token];
    if (slot < 0) continue;
    const std::int64_t block = slot / args.block_size;
    const std::int64_t offset = slot % args.block_size;
    for (std::int64_t head = 0; head < args.kv_heads; ++head) {
      const float* row = args.rows + token * args.row_stride + head * args.head_dim;
      auto* place = cache + (block * args.kv_heads + head) * args.head_dim * args.block_size;
      const std::int64_t step = args.transposed ? args.block_size : 1;
      place += args.transposed ? offset : offset * args.head_dim;
      for (std::int64_t d = 0; d < args.head_dim; ++d) place[d * step] = Stored<S>::store(row[d]);
    }
  }
}

template void kv_write<Storage::kF32>(const KvWriteArgs&) noexcept;
template void kv_write<Storage::kF16>(const KvWriteArgs&) noexcept;
template void kv_write<Storage::kBF16>(const KvWriteArgs&) noexcept;

}  // namespace ganglion::kernels::scalar
