#include "kernels/scalar/half.h"
#include "kernels/scalar/kernels.h"

namespace ganglion::kernels::scalar {

template <Storage S>
void to_f32(const void* x, float* out, std::int64_t count) noexcept {
  const auto* from = static_cast<const typename Stored<S>::Type*>(x);
  for (std::int64_t i = 0; i < count; ++i) out[i] = Stored<S>::load(from[i]);
}

template <Storage S>
void from_f32(const float* x, void* out, std::int64_t count) noexcept {
  auto* to = static_cast<typename Stored<S>::Type*>(out);
  for (std::int64_t i = 0; i < count; ++i) to[i] = Stored<S>::store(x[i]);
}

template <Storage S>
void gather_rows(const void* table, const std::int32_t* ids, float* out, std::int64_t count, std::int64_t rows,
                 std::int64_t cols) noexcept {
  const auto* from = static_cast<const typename Stored<S>::Type*>(table);
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t id = ids[i] < rows ? ids[i] : rows - 1;
    if (id < 0) id = 0;
    to_f32<S>(from + id * cols, out + i * cols, cols);
  }
}

#define GANGLION_STORAGE(S)                                                                                   \
  template void to_f32<Storage::S>(const void*, float*, std::int64_t) noexcept;                               \
  template void from_f32<Storage::S>(const float*, void*, std::int64_t) noexcept;                             \
  template void gather_rows<Storage::S>(const void*, const std::int32_t*, float*, std::int64_t, std::int64_t, \
                                        std::int64_t) noexcept;
GANGLION_STORAGE(kF32)
GANGLION_STORAGE(kF16)
GANGLION_STORAGE(kBF16)
#undef GANGLION_STORAGE

}  // namespace ganglion::kernels::scalar
