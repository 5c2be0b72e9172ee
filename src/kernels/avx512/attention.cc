#include "kernels/vector/attention.h"

#include "kernels/avx512/kernels.h"
#include "kernels/avx512/vec.h"

namespace ganglion::kernels::avx512 {

template <Storage S>
using Walk = Attention<Vec, S, 6, 24>;  // 6 queries together, 24 vectors of sums

template <Storage S>
void attention(const AttentionArgs& args) noexcept {
  Walk<S>::run(args);
}

std::int64_t attention_scratch(std::int64_t head_dim, std::int64_t block_size) noexcept {
  return Walk<Storage::kF32>::scratch(head_dim, block_size);
}

template void attention<Storage::kF32>(const AttentionArgs&) noexcept;
template void attention<Storage::kF16>(const AttentionArgs&) noexcept;
template void attention<Storage::kBF16>(const AttentionArgs&) noexcept;
template void attention<Storage::kS8>(const AttentionArgs&) noexcept;

}  // namespace ganglion::kernels::avx512
