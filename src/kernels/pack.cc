#include "kernels/pack.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "kernels/scalar/half.h"

namespace ganglion::kernels {
namespace {

// Elements of a row that are turned at a time: one cache line of the narrowest storage, so that a line of `rows` is
// read once however many rows share its place in the cache.
constexpr std::int64_t kStep = 32;
constexpr std::int64_t kWidest = 32;  // panel

// out[i * width + j] = rows[j * stride + i] for a square of 8 by 8.
void turn_square(const std::uint16_t* rows, std::int64_t stride, std::uint16_t* out, std::int64_t width) noexcept {
  __m128i a[8], b[8];
  for (int j = 0; j < 8; ++j) a[j] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows + j * stride));
  for (int j = 0; j < 4; ++j) {
    b[2 * j] = _mm_unpacklo_epi16(a[2 * j], a[2 * j + 1]);
    b[2 * j + 1] = _mm_unpackhi_epi16(a[2 * j], a[2 * j + 1]);
  }
  for (int half = 0; half < 8; half += 4) {
    a[half] = _mm_unpacklo_epi32(b[half], b[half + 2]);
    a[half + 1] = _mm_unpackhi_epi32(b[half], b[half + 2]);
    a[half + 2] = _mm_unpacklo_epi32(b[half + 1], b[half + 3]);
    a[half + 3] = _mm_unpackhi_epi32(b[half + 1], b[half + 3]);
  }
  for (int j = 0; j < 4; ++j) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * j * width), _mm_unpacklo_epi64(a[j], a[j + 4]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + (2 * j + 1) * width), _mm_unpackhi_epi64(a[j], a[j + 4]));
  }
}

// The same, 4 by 4.
void turn_square(const std::uint32_t* rows, std::int64_t stride, std::uint32_t* out, std::int64_t width) noexcept {
  __m128i a[4], b[4];
  for (int j = 0; j < 4; ++j) a[j] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows + j * stride));
  b[0] = _mm_unpacklo_epi32(a[0], a[1]);
  b[1] = _mm_unpackhi_epi32(a[0], a[1]);
  b[2] = _mm_unpacklo_epi32(a[2], a[3]);
  b[3] = _mm_unpackhi_epi32(a[2], a[3]);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_unpacklo_epi64(b[0], b[2]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + width), _mm_unpackhi_epi64(b[0], b[2]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * width), _mm_unpacklo_epi64(b[1], b[3]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 3 * width), _mm_unpackhi_epi64(b[1], b[3]));
}

// And 8 by 8 again.
void turn_square(const std::uint8_t* rows, std::int64_t stride, std::uint8_t* out, std::int64_t width) noexcept {
  __m128i a[8], b[4], c[4];
  for (int j = 0; j < 8; ++j) a[j] = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows + j * stride));
  for (int j = 0; j < 4; ++j) b[j] = _mm_unpacklo_epi8(a[2 * j], a[2 * j + 1]);
  for (int half = 0; half < 2; ++half) {
    c[half] = half == 0 ? _mm_unpacklo_epi16(b[0], b[1]) : _mm_unpackhi_epi16(b[0], b[1]);
    c[half + 2] = half == 0 ? _mm_unpacklo_epi16(b[2], b[3]) : _mm_unpackhi_epi16(b[2], b[3]);
  }
  for (int half = 0; half < 2; ++half) {
    const __m128i columns[2] = {_mm_unpacklo_epi32(c[half], c[half + 2]), _mm_unpackhi_epi32(c[half], c[half + 2])};
    for (int j = 0; j < 2; ++j) {
      std::uint8_t* at = out + (4 * half + 2 * j) * width;
      _mm_storel_epi64(reinterpret_cast<__m128i*>(at), columns[j]);
      _mm_storel_epi64(reinterpret_cast<__m128i*>(at + width), _mm_unpackhi_epi64(columns[j], columns[j]));
    }
  }
}

// out[i * width + j] = rows[j * stride + i] for i < count, j < columns.
template <typename T>
void turn(const Conversions& tools, const T* rows, std::int64_t stride, T* out, std::int64_t width,
          std::int64_t columns, std::int64_t count) noexcept {
  constexpr std::int64_t kSquare = sizeof(T) == 4 ? 4 : 8;
  const std::int64_t whole_columns = columns / kSquare * kSquare;
  const std::int64_t whole_count = count / kSquare * kSquare;
  std::int64_t turned = 0;
  if constexpr (sizeof(T) == 2) {
    if (tools.turn_columns != nullptr && whole_count == count) {
      for (; turned + 16 <= columns; turned += 16)
        tools.turn_columns(rows + turned * stride, stride, out + turned, width, count);
    }
  }
  for (std::int64_t j = turned; j < whole_columns; j += kSquare) {
    for (std::int64_t i = 0; i < whole_count; i += kSquare)
      turn_square(rows + j * stride + i, stride, out + i * width + j, width);
    for (std::int64_t i = whole_count; i < count; ++i) {
      for (std::int64_t column = j; column < j + kSquare; ++column) out[i * width + column] = rows[column * stride + i];
    }
  }
  for (std::int64_t j = whole_columns; j < columns; ++j) {
    for (std::int64_t i = 0; i < count; ++i) out[i * width + j] = rows[j * stride + i];
  }
}

// What all panels of one call have in common.
struct Packing {
  std::int64_t width;
  const Conversions& conversions;
  Storage from, to;
  std::int64_t k;
};

// One panel of the `columns` rows given.
template <typename T>
void pack_panel(const Packing& packing, const std::byte* rows, T* panel, std::int64_t columns) noexcept {
  const std::int64_t width = packing.width, k = packing.k;
  const auto from_size = static_cast<std::int64_t>(storage_size(packing.from));
  for (std::int64_t begin = 0; begin < k; begin += kStep) {
    const std::int64_t count = begin + kStep < k ? kStep : k - begin;
    T* out = panel + begin * width;
    if (packing.from == packing.to) {  // bit for bit, NaN payloads too
      turn(packing.conversions, reinterpret_cast<const T*>(rows) + begin, k, out, width, columns, count);
    } else {
      const auto to_f32 = packing.conversions.to_f32[static_cast<int>(packing.from)];
      const auto from_f32 = packing.conversions.from_f32[static_cast<int>(packing.to)];
      alignas(64) T converted[kWidest * kStep];
      for (std::int64_t j = 0; j < columns; ++j) {
        alignas(64) float floats[kStep];
        to_f32(rows + (j * k + begin) * from_size, floats, count);
        from_f32(floats, converted + j * kStep, count);
      }
      turn(packing.conversions, converted, kStep, out, width, columns, count);
    }
    if (columns == width) continue;
    for (std::int64_t i = 0; i < count; ++i)
      std::memset(out + i * width + columns, 0, static_cast<std::size_t>(width - columns) * sizeof(T));
  }
}

template <typename T>
void pack_panels(const Packing& packing, const std::byte* rows, T* panels, std::int64_t n_begin,
                 std::int64_t n_end) noexcept {
  const std::int64_t row_bytes = packing.k * static_cast<std::int64_t>(storage_size(packing.from));
  for (std::int64_t begin = n_begin; begin < n_end; begin += packing.width) {
    const std::int64_t columns = n_end - begin < packing.width ? n_end - begin : packing.width;
    pack_panel(packing, rows + (begin - n_begin) * row_bytes, panels + begin * packing.k, columns);
  }
}

// Two numbers of a step share a byte: column j of the panel's first half and column j + width / 2.
void pack_s4(const Packing& packing, const std::int8_t* rows, std::uint8_t* panels, std::int64_t n_begin,
             std::int64_t n_end) noexcept {
  const std::int64_t half = packing.width / 2, k = packing.k;
  for (std::int64_t begin = n_begin; begin < n_end; begin += packing.width) {
    const std::int8_t* from = rows + (begin - n_begin) * k;
    std::uint8_t* panel = panels + begin * k / 2;
    const std::int64_t columns = n_end - begin < packing.width ? n_end - begin : packing.width;
    for (std::int64_t step = 0; step < k; step += kStep) {
      const std::int64_t end = step + kStep < k ? step + kStep : k;
      for (std::int64_t j = 0; j < half; ++j) {
        for (std::int64_t i = step; i < end; ++i) {
          const std::int8_t low = j < columns ? from[j * k + i] : std::int8_t{0};
          const std::int8_t high = j + half < columns ? from[(j + half) * k + i] : std::int8_t{0};
          panel[i * half + j] = scalar::pair_s4(low, high);
        }
      }
    }
  }
}

// Numbers of one row of a packed matrix that are brought together before they are converted.
constexpr std::int64_t kTaken = 256;

template <typename From, typename To>
void take_column(const From* from, std::int64_t width, To* out, std::int64_t count) noexcept {
  for (std::int64_t k = 0; k < count; ++k) out[k] = static_cast<To>(from[k * width]);
}

}  // namespace

template <std::int64_t width>
std::size_t packed_bytes_in_panels(Storage storage, std::int64_t n, std::int64_t k) noexcept {
  const auto panels = static_cast<std::size_t>((n + width - 1) / width);
  const std::size_t elements = panels * static_cast<std::size_t>(width) * static_cast<std::size_t>(k);
  return storage == Storage::kS4 ? elements / 2 : elements * storage_size(storage);
}
template std::size_t packed_bytes_in_panels<16>(Storage, std::int64_t, std::int64_t) noexcept;
template std::size_t packed_bytes_in_panels<32>(Storage, std::int64_t, std::int64_t) noexcept;

template <std::int64_t width>
std::int64_t packed_scale_bytes(std::int64_t n, std::int64_t groups) noexcept {
  return static_cast<std::int64_t>(packed_bytes_in_panels<width>(Storage::kBF16, n, groups));
}
template std::int64_t packed_scale_bytes<16>(std::int64_t, std::int64_t) noexcept;
template std::int64_t packed_scale_bytes<32>(std::int64_t, std::int64_t) noexcept;

void pack_in_panels(std::int64_t width, const Conversions& conversions, Storage from, const void* rows, Storage to,
                    void* panels, std::int64_t n_begin, std::int64_t n_end, std::int64_t k) noexcept {
  const Packing packing{width, conversions, from, to, k};
  const auto* source = static_cast<const std::byte*>(rows);
  switch (to) {
    case Storage::kF32:
      return pack_panels(packing, source, static_cast<std::uint32_t*>(panels), n_begin, n_end);
    case Storage::kF16:
    case Storage::kBF16:
      return pack_panels(packing, source, static_cast<std::uint16_t*>(panels), n_begin, n_end);
    case Storage::kS8:
      return pack_panels(packing, source, static_cast<std::uint8_t*>(panels), n_begin, n_end);
    case Storage::kS4:
      return pack_s4(packing, static_cast<const std::int8_t*>(rows), static_cast<std::uint8_t*>(panels), n_begin,
                     n_end);
  }
}

void pack_turned_in_panels(std::int64_t width, const Conversions& conversions, Storage from, const void* rows,
                           Storage to, void* panels, std::int64_t k_begin, std::int64_t k_end, std::int64_t n,
                           std::int64_t k) noexcept {
  const auto from_size = static_cast<std::int64_t>(storage_size(from));
  const auto to_size = static_cast<std::int64_t>(storage_size(to));
  const auto to_f32 = conversions.to_f32[static_cast<int>(from)];
  const auto from_f32 = conversions.from_f32[static_cast<int>(to)];
  // A panel's rows lie one after another and its columns are the source's: pieces are copied as they are.
  for (std::int64_t begin = 0; begin < n; begin += width) {
    const std::int64_t columns = n - begin < width ? n - begin : width;
    const auto* source = static_cast<const std::byte*>(rows) + begin * from_size;
    auto* out = static_cast<std::byte*>(panels) + (begin * k + k_begin * width) * to_size;
    for (std::int64_t row = k_begin; row < k_end; ++row, source += n * from_size, out += width * to_size) {
      if (from == to) {
        std::memcpy(out, source, static_cast<std::size_t>(columns * to_size));
      } else {
        alignas(64) float floats[kWidest];
        to_f32(source, floats, columns);
        from_f32(floats, out, columns);
      }
      std::memset(out + columns * to_size, 0, static_cast<std::size_t>((width - columns) * to_size));
    }
  }
}

void gather_rows_of_panels(std::int64_t width, const Conversions& conversions, Storage storage, const void* panels,
                           const float* scales, const std::int32_t* ids, float* out, std::int64_t count,
                           std::int64_t rows, std::int64_t cols) noexcept {
  for (std::int64_t i = 0; i < count; ++i, out += cols) {
    std::int64_t id = ids[i] < rows ? ids[i] : rows - 1;
    if (id < 0) id = 0;
    const std::int64_t first = id / width * width * cols + id % width;
    switch (storage) {
      case Storage::kF32:
        take_column(static_cast<const float*>(panels) + first, width, out, cols);
        break;
      case Storage::kF16:
      case Storage::kBF16:
        for (std::int64_t k = 0; k < cols; k += kTaken) {
          alignas(64) std::uint16_t taken[kTaken];
          const std::int64_t some = std::min(kTaken, cols - k);
          take_column(static_cast<const std::uint16_t*>(panels) + first + k * width, width, taken, some);
          conversions.to_f32[static_cast<int>(storage)](taken, out + k, some);
        }
        break;
      case Storage::kS8:
        take_column(static_cast<const std::int8_t*>(panels) + first, width, out, cols);
        for (std::int64_t k = 0; k < cols; ++k) out[k] *= scales[id];
        break;
      case Storage::kS4:
        break;
    }
  }
}

}  // namespace ganglion::kernels
