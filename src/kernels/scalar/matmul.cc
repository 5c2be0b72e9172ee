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

}  // namespace

template <Storage S>
void matmul(const MatmulArgs& args) noexcept {
  const auto* panels = static_cast<const typename Stored<S>::Type*>(args.panels);
  float sums[kRows][kPanelWidth];
  float slice[kSlice * kPanelWidth];
  for (std::int64_t n = args.n_begin; n < args.n_end; n += kPanelWidth) {
    const auto* panel = panels + n * args.k;
    const std::int64_t columns = smaller(kPanelWidth, args.n_end - n);
    for (std::int64_t row = 0; row < args.rows; row += kRows) {
      const std::int64_t rows = smaller(kRows, args.rows - row);
      std::memset(sums, 0, sizeof sums);
      for (std::int64_t k = 0; k < args.k; k += kSlice) {
        const std::int64_t steps = smaller(kSlice, args.k - k);
        for (std::int64_t i = 0; i < steps * kPanelWidth; ++i) slice[i] = Stored<S>::load(panel[k * kPanelWidth + i]);
        for (std::int64_t r = 0; r < rows; ++r)
          accumulate(args.x + (row + r) * args.x_stride + k, slice, steps, sums[r]);
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t at = (row + r) * args.out_stride + n;
        for (std::int64_t j = 0; j < columns; ++j) {
          float value = sums[r][j];
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

}  // namespace ganglion::kernels::scalar
