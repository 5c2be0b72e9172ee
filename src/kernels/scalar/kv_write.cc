#include <cmath>

#include "kernels/scalar/half.h"
#include "kernels/scalar/kernels.h"

namespace ganglion::kernels::scalar {
namespace {

float scale_of(const float* row, std::int64_t count) noexcept {
  float top = 0.0f;
  float poison = 0.0f;
  for (std::int64_t i = 0; i < count; ++i) {
    const float magnitude = std::fabs(row[i]);
    top = magnitude > top ? magnitude : top;
    poison += row[i] * 0.0f;  // NaN when the row is not finite
  }
  return top / 127.0f + poison;
}

std::int8_t number_of(float value, float scale) noexcept {
  const float number = std::nearbyint(scale == 0.0f ? 0.0f : value / scale);
  return static_cast<std::int8_t>(number > 127.0f ? 127.0f : number > -127.0f ? number : -127.0f);  // NaN: -127
}

}  // namespace

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
      if constexpr (S == Storage::kS8) {
        const float scale = scale_of(row, args.head_dim);
        for (std::int64_t d = 0; d < args.head_dim; ++d) place[d * step] = number_of(row[d], scale);
      } else {
        for (std::int64_t d = 0; d < args.head_dim; ++d) place[d * step] = Stored<S>::store(row[d]);
      }
    }
  }
}

void kv_scale(const KvWriteArgs& args) noexcept {
  auto* scales = static_cast<float*>(args.cache);
  for (std::int64_t token = args.token_begin; token < args.token_end; ++token) {
    const std::int64_t slot = args.slot[token];
    if (slot < 0) continue;
    for (std::int64_t head = 0; head < args.kv_heads; ++head) {
      scales[(slot / args.block_size * args.kv_heads + head) * args.block_size + slot % args.block_size] =
          scale_of(args.rows + token * args.row_stride + head * args.head_dim, args.head_dim);
    }
  }
}

template void kv_write<Storage::kF32>(const KvWriteArgs&) noexcept;
template void kv_write<Storage::kF16>(const KvWriteArgs&) noexcept;
template void kv_write<Storage::kBF16>(const KvWriteArgs&) noexcept;
template void kv_write<Storage::kS8>(const KvWriteArgs&) noexcept;

}  // namespace ganglion::kernels::scalar
