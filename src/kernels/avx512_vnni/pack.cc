#include <cstring>

#include "kernels/avx512/make_table.h"
#include "kernels/avx512_vnni/kernels.h"
#include "kernels/avx512_vnni/panels.h"

namespace ganglion::kernels::avx512_vnni {
namespace {

// Four numbers of a row from step k on; zeros beyond its end.
std::uint32_t four(const std::int8_t* row, std::int64_t k, std::int64_t end) noexcept {
  std::uint32_t numbers = 0;
  if (k + 4 <= end) {
    std::memcpy(&numbers, row + k, 4);
  } else if (k < end) {
    std::memcpy(&numbers, row + k, static_cast<std::size_t>(end - k));
  }
  return numbers;
}

template <Storage S>
void pack_whole(const std::int8_t* rows, char* panels, std::int64_t n_begin, std::int64_t n_end,
                std::int64_t k) noexcept {
  constexpr std::uint32_t kZeros = S == Storage::kS8 ? 0x80808080u : 0x08080808u, kLow = 0x0f0f0f0fu;
  for (std::int64_t begin = n_begin; begin < n_end; begin += kWholeWidth) {
    char* out = panels + begin / kWholeWidth * whole_panel_bytes<S>(k);
    const std::int8_t* from = rows + (begin - n_begin) * k;
    const std::int64_t columns = n_end - begin < kWholeWidth ? n_end - begin : kWholeWidth;
    for (std::int64_t step = 0; step < filled_steps(k); step += kLineSteps<S>, out += kWholeLine) {
      std::uint32_t line[kWholeWidth];
      for (std::int64_t j = 0; j < kWholeWidth; ++j) {
        std::uint32_t numbers = j < columns ? four(from + j * k, step, k) : 0;
        numbers ^= kZeros;  // adds the zero point
        if constexpr (S == Storage::kS4) {
          const std::uint32_t later = (j < columns ? four(from + j * k, step + 4, k) : 0) ^ kZeros;
          numbers = (numbers & kLow) | (later & kLow) << 4;
        }
        line[j] = numbers;
      }
      std::memcpy(out, line, sizeof line);
    }
  }
}

}  // namespace

std::size_t packed_bytes(Storage storage, std::int64_t n, std::int64_t k) noexcept {
  if (storage == Storage::kS8 || storage == Storage::kS4) {
    const std::int64_t panels = (n + kWholeWidth - 1) / kWholeWidth;
    return static_cast<std::size_t>(
        panels * (storage == Storage::kS8 ? whole_panel_bytes<Storage::kS8>(k) : whole_panel_bytes<Storage::kS4>(k)));
  }
  return packed_bytes_in_panels<kPanelWidth>(storage, n, k);
}

void pack(Storage from, const void* rows, Storage to, void* panels, std::int64_t n_begin, std::int64_t n_end,
          std::int64_t /*n*/, std::int64_t k) noexcept {
  const auto* numbers = static_cast<const std::int8_t*>(rows);
  auto* out = static_cast<char*>(panels);
  if (to == Storage::kS8) return pack_whole<Storage::kS8>(numbers, out, n_begin, n_end, k);
  if (to == Storage::kS4) return pack_whole<Storage::kS4>(numbers, out, n_begin, n_end, k);
  pack_in_panels(kPanelWidth, kConversions, from, rows, to, panels, n_begin, n_end, k);
}

void gather_packed_rows(Storage storage, const void* panels, const float* scales, const std::int32_t* ids, float* out,
                        std::int64_t count, std::int64_t rows, std::int64_t cols) noexcept {
  if (storage != Storage::kS8)
    return gather_rows_of_panels(kPanelWidth, kConversions, storage, panels, scales, ids, out, count, rows, cols);
  for (std::int64_t i = 0; i < count; ++i, out += cols) {
    std::int64_t id = ids[i] < rows ? ids[i] : rows - 1;
    if (id < 0) id = 0;
    const auto* column = static_cast<const std::uint8_t*>(panels) +
                         id / kWholeWidth * whole_panel_bytes<Storage::kS8>(cols) + id % kWholeWidth * 4;
    for (std::int64_t k = 0; k < cols; ++k) {
      const std::int32_t number = column[k / 4 * kWholeLine + k % 4] - kZeroPoint<Storage::kS8>;
      out[k] = static_cast<float>(number) * scales[id];
    }
  }
}

}  // namespace ganglion::kernels::avx512_vnni
