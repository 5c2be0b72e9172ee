#include <immintrin.h>

#include <cstring>

#include "kernels/amx/kernels.h"
#include "kernels/amx/pair_panels.h"
#include "kernels/avx512/make_table.h"
#include "kernels/avx512_vnni/kernels.h"

namespace ganglion::kernels::amx {
namespace {

constexpr std::int64_t kHalf = 16;  // columns of half a line
using Square = __m512i[kHalf];

// out[j][i] = rows[i][j], sixteen by sixteen of 32 bits.
void turn(Square& rows) noexcept {
  Square pairs;
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  // fours[4 g + c]: of rows 4 g to 4 g + 3, columns c, c + 4, c + 8 and c + 12.
  Square fours;
  for (int i = 0; i < 16; i += 4) {
    fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  for (int c = 0; c < 4; ++c) {
    const __m512i low_even = _mm512_shuffle_i32x4(fours[c], fours[4 + c], 0x88);
    const __m512i low_odd = _mm512_shuffle_i32x4(fours[c], fours[4 + c], 0xdd);
    const __m512i high_even = _mm512_shuffle_i32x4(fours[8 + c], fours[12 + c], 0x88);
    const __m512i high_odd = _mm512_shuffle_i32x4(fours[8 + c], fours[12 + c], 0xdd);
    rows[c] = _mm512_shuffle_i32x4(low_even, high_even, 0x88);
    rows[8 + c] = _mm512_shuffle_i32x4(low_even, high_even, 0xdd);
    rows[4 + c] = _mm512_shuffle_i32x4(low_odd, high_odd, 0x88);
    rows[12 + c] = _mm512_shuffle_i32x4(low_odd, high_odd, 0xdd);
  }
}

// Up to 32 numbers of a row as bf16; zeros beyond `count`.
__m512i as_bf16(Storage from, const char* row, std::int64_t count) noexcept {
  const __mmask32 there = count >= kPairSteps ? ~__mmask32{0} : (__mmask32{1} << (count < 0 ? 0 : count)) - 1;
  if (from == Storage::kBF16) return _mm512_maskz_loadu_epi16(there, row);
  alignas(64) float floats[kPairSteps];
  alignas(64) std::uint16_t numbers[kPairSteps] = {};
  if (count > kPairSteps) count = kPairSteps;
  if (count > 0) {
    kConversions.to_f32[static_cast<int>(from)](row, floats, count);
    kConversions.from_f32[static_cast<int>(Storage::kBF16)](floats, numbers, count);
  }
  return _mm512_load_si512(numbers);
}

void pack_pairs(Storage from, const char* rows, char* panels, std::int64_t n_begin, std::int64_t n_end,
                std::int64_t k) noexcept {
  constexpr std::int64_t kAhead = 256;  // bytes
  const auto size = static_cast<std::int64_t>(storage_size(from));
  for (std::int64_t n = n_begin; n < n_end; n += kPairWidth) {
    char* out = panels + n / kPairWidth * pair_panel_bytes(k);
    for (std::int64_t step = 0; step < k; step += kPairSteps, out += kPairSteps / 2 * kPairLine) {
      for (std::int64_t half = 0; half < 2; ++half) {
        Square square;
        for (std::int64_t j = 0; j < kHalf; ++j) {
          const std::int64_t column = n + half * kHalf + j;
          const char* row = rows + ((column - n_begin) * k + step) * size;
          _mm_prefetch(row + kAhead, _MM_HINT_T0);
          square[j] = column < n_end ? as_bf16(from, row, k - step) : _mm512_setzero_si512();
        }
        turn(square);
        for (std::int64_t i = 0; i < kHalf; ++i) _mm512_storeu_si512(out + i * kPairLine + half * 64, square[i]);
      }
    }
  }
}

// Rows [k_begin, k_end) of the transpose: a number goes beside the one of the step before or after it.
void pack_pairs_turned(Storage from, const char* rows, char* panels, std::int64_t k_begin, std::int64_t k_end,
                       std::int64_t n, std::int64_t k) noexcept {
  const auto size = static_cast<std::int64_t>(storage_size(from));
  for (std::int64_t begin = 0; begin < n; begin += kPairWidth) {
    char* const panel = panels + begin / kPairWidth * pair_panel_bytes(k);
    const std::int64_t columns = n - begin < kPairWidth ? n - begin : kPairWidth;
    alignas(64) std::uint16_t numbers[kPairWidth] = {};
    const auto put = [&](std::int64_t row) {
      auto* line = reinterpret_cast<std::uint16_t*>(panel + row / 2 * kPairLine) + row % 2;
      for (std::int64_t j = 0; j < kPairWidth; ++j) line[2 * j] = numbers[j];
    };
    for (std::int64_t row = k_begin; row < k_end; ++row) {
      const char* source = rows + ((row - k_begin) * n + begin) * size;
      _mm512_store_si512(numbers, as_bf16(from, source, columns));
      put(row);
    }
    if (k_end < k) continue;
    std::memset(numbers, 0, sizeof numbers);
    for (std::int64_t row = k; row % kPairSteps != 0; ++row) put(row);
  }
}

}  // namespace

std::size_t packed_bytes(Storage storage, std::int64_t n, std::int64_t k) noexcept {
  if (storage != Storage::kBF16) return avx512_vnni::packed_bytes(storage, n, k);
  return static_cast<std::size_t>((n + kPairWidth - 1) / kPairWidth * pair_panel_bytes(k));
}

void pack(Storage from, const void* rows, Storage to, void* panels, std::int64_t n_begin, std::int64_t n_end,
          std::int64_t n, std::int64_t k) noexcept {
  if (to != Storage::kBF16) return avx512_vnni::pack(from, rows, to, panels, n_begin, n_end, n, k);
  pack_pairs(from, static_cast<const char*>(rows), static_cast<char*>(panels), n_begin, n_end, k);
}

void pack_turned(Storage from, const void* rows, Storage to, void* panels, std::int64_t k_begin, std::int64_t k_end,
                 std::int64_t n, std::int64_t k) noexcept {
  if (to != Storage::kBF16)
    return pack_turned_in_panels(kPairWidth, kConversions, from, rows, to, panels, k_begin, k_end, n, k);
  pack_pairs_turned(from, static_cast<const char*>(rows), static_cast<char*>(panels), k_begin, k_end, n, k);
}

void gather_packed_rows(Storage storage, const void* panels, const float* scales, const std::int32_t* ids, float* out,
                        std::int64_t count, std::int64_t rows, std::int64_t cols) noexcept {
  if (storage != Storage::kBF16)
    return avx512_vnni::gather_packed_rows(storage, panels, scales, ids, out, count, rows, cols);
  for (std::int64_t i = 0; i < count; ++i, out += cols) {
    std::int64_t id = ids[i] < rows ? ids[i] : rows - 1;
    if (id < 0) id = 0;
    const char* column = static_cast<const char*>(panels) + id / kPairWidth * pair_panel_bytes(cols) +
                         id % kPairWidth * 4;
    for (std::int64_t k = 0; k < cols; k += 2, column += kPairLine) {
      std::uint32_t pair = 0;
      std::memcpy(&pair, column, sizeof pair);
      out[k] = __builtin_bit_cast(float, pair << 16);
      if (k + 1 < cols) out[k + 1] = __builtin_bit_cast(float, pair & 0xffff0000u);
    }
  }
}

}  // namespace ganglion::kernels::amx
