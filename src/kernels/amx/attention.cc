#include "kernels/amx/attention.h"

#include "kernels/amx/kernels.h"
#include "kernels/avx512/kernels.h"

namespace ganglion::kernels::amx {

void attention_bf16(const AttentionArgs& args) noexcept { TileAttention::run(args); }

std::int64_t attention_scratch(std::int64_t head_dim, std::int64_t block_size) noexcept {
  return TileAttention::larger(TileAttention::scratch(head_dim), avx512::attention_scratch(head_dim, block_size));
}

}  // namespace ganglion::kernels::amx
