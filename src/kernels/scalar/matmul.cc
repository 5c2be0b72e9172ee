#include <cstring>

#include "kernels/scalar/activation.h"
#include "kernels/scalar/half.h"
#include "kernels/scalar/kernels.h"

namespace ganglion::kernels::scalar {
namespace {

constexpr std::int64_t kRows = 64;    // rows that share one widened slice of a panel
constexpr std::int64_t kSlice = 128;  // steps of k widened to f32 at a time: 8 KiB

std::int64_t smaller(std::int64_t a, std::int64_t b) noexcept { return a < b ? a : b; }

// Four columns of a panel. A vector type of the compiler's, which every target has: arrays would live in memory.
typedef float Four __attribute__((vector_size(16)));

// sums[j] += x[i] * weights[i, j] for i in order.
void accumulate(const float* x, const float* weights, std::int64_t steps, float* sums) noexcept {
  static_assert(kPanelWidth == 16);
  Four a, b, c, d;
  const auto load = [](const float* from) noexcept {
    Four four;
    std::memcpy(&four, from, sizeof four);
    return four;
  };
  a = load(sums), b = load(sums + 4), c = load(sums + 8), d = load(sums + 12);
  for (std::int64_t i = 0; i < steps; ++i, weights += kPanelWidth) {
    const Four value = {x[i], x[i], x[i], x[i]};
    a += value * load(weights);
    b += value * load(weights + 4);
    c += value * load(weights + 8);
    d += value * load(weights + 12);
  }
  std::memcpy(sums, &a, sizeof a);
  std::memcpy(sums + 4, &b, sizeof b);
  std::memcpy(sums + 8, &c, sizeof c);
  std::memcpy(sums + 12, &d, sizeof d);
}

// Steps [k, k + steps) of the panel of column n, as f32.
template <Storage S>
void widen(const MatmulArgs& args, std::int64_t n, std::int64_t k, std::int64_t steps, float* slice) noexcept {
  const auto* panel = static_cast<const typename Stored<S>::Type*>(args.panels) + n * args.k + k * kPanelWidth;
  for (std::int64_t i = 0; i < steps * kPanelWidth; ++i) slice[i] = Stored<S>::load(panel[i]);
}
template <>
void widen<Storage::kS4>(const MatmulArgs& args, std::int64_t n, std::int64_t k, std::int64_t steps,
                         float* slice) noexcept {
  constexpr std::int64_t kHalf = kPanelWidth / 2;
  const auto* pairs = static_cast<const std::uint8_t*>(args.panels) + (n * args.k + k * kPanelWidth) / 2;
  const auto* scales = static_cast<const std::uint16_t*>(args.scales) + n * (args.k / args.group);
  for (std::int64_t i = 0; i < steps; ++i, slice += kPanelWidth, pairs += kHalf) {
    const std::uint16_t* scale = scales + (k + i) / args.group * kPanelWidth;
    for (std::int64_t j = 0; j < kHalf; ++j) {
      slice[j] = static_cast<float>(low_s4(pairs[j])) * Stored<Storage::kBF16>::load(scale[j]);
      slice[j + kHalf] = static_cast<float>(high_s4(pairs[j])) * Stored<Storage::kBF16>::load(scale[j + kHalf]);
    }
  }
}

}  // namespace

template <Storage S>
void matmul(const MatmulArgs& args) noexcept {
  float sums[kRows][kPanelWidth];
  float slice[kSlice * kPanelWidth];
  for (std::int64_t n = args.n_begin; n < args.n_end; n += kPanelWidth) {
    const std::int64_t columns = smaller(kPanelWidth, args.n_end - n);
    for (std::int64_t row = 0; row < args.rows; row += kRows) {
      const std::int64_t rows = smaller(kRows, args.rows - row);
      std::memset(sums, 0, sizeof sums);
      for (std::int64_t k = 0; k < args.k; k += kSlice) {
        const std::int64_t steps = smaller(kSlice, args.k - k);
        widen<S>(args, n, k, steps, slice);
        for (std::int64_t r = 0; r < rows; ++r)
          accumulate(args.x + (row + r) * args.x_stride + k, slice, steps, sums[r]);
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t at = (row + r) * args.out_stride + n;
        for (std::int64_t j = 0; j < columns; ++j) {
          float value = sums[r][j];
          if constexpr (S == Storage::kS8) value *= static_cast<const float*>(args.scales)[n + j];
          if (args.bias != nullptr) value += args.bias[n + j];
          value = activate(args.activation, value);
          if (args.residual != nullptr) value += args.residual[at + j];
          args.out[at + j] = value;
        }
      }
    }
  }
}

template void matmul<Storage::kF32>(const MatmulArgs&) noexcept;
template void matmul<Storage::kF16>(const MatmulArgs&) noexcept;
template void matmul<Storage::kBF16>(const MatmulArgs&) noexcept;
template void matmul<Storage::kS8>(const MatmulArgs&) noexcept;
template void matmul<Storage::kS4>(const MatmulArgs&) noexcept;

}  // namespace ganglion::kernels::scalar
