#include "kernels/pack.h"

#include "kernels/scalar/half.h"

namespace ganglion::kernels {
namespace {

using scalar::Stored;

// Columns of w (steps of k) transposed at a time: a [width, kStep] corner of the rows stays in the L1 cache.
constexpr std::int64_t kStep = 32;

template <std::int64_t width, Storage From, Storage To>
void pack_panel(const typename Stored<From>::Type* rows, typename Stored<To>::Type* panel, std::int64_t columns,
                std::int64_t k) noexcept {
  const auto convert = [](typename Stored<From>::Type value) noexcept -> typename Stored<To>::Type {
    if constexpr (From == To) {
      return value;  // bit for bit, NaN payloads too
    } else {
      return Stored<To>::store(Stored<From>::load(value));
    }
  };
  for (std::int64_t begin = 0; begin < k; begin += kStep) {
    const std::int64_t end = begin + kStep < k ? begin + kStep : k;
    for (std::int64_t j = 0; j < columns; ++j) {
      for (std::int64_t i = begin; i < end; ++i) panel[i * width + j] = convert(rows[j * k + i]);
    }
    for (std::int64_t j = columns; j < width; ++j) {
      for (std::int64_t i = begin; i < end; ++i) panel[i * width + j] = 0;
    }
  }
}

template <std::int64_t width, Storage From, Storage To>
void pack_typed(const void* rows, void* panels, std::int64_t n_begin, std::int64_t n_end, std::int64_t k) noexcept {
  const auto* source = static_cast<const typename Stored<From>::Type*>(rows);
  auto* target = static_cast<typename Stored<To>::Type*>(panels);
  for (std::int64_t begin = n_begin; begin < n_end; begin += width) {
    const std::int64_t columns = n_end - begin < width ? n_end - begin : width;
    pack_panel<width, From, To>(source + (begin - n_begin) * k, target + begin * k, columns, k);
  }
}

template <std::int64_t width>
void pack_s4(const void* rows, void* panels, std::int64_t n_begin, std::int64_t n_end, std::int64_t k) noexcept {
  constexpr std::int64_t kHalf = width / 2;
  const auto* source = static_cast<const std::int8_t*>(rows);
  for (std::int64_t begin = n_begin; begin < n_end; begin += width) {
    const std::int8_t* from = source + (begin - n_begin) * k;
    auto* panel = static_cast<std::uint8_t*>(panels) + begin * k / 2;
    const std::int64_t columns = n_end - begin < width ? n_end - begin : width;
    for (std::int64_t step = 0; step < k; step += kStep) {
      const std::int64_t end = step + kStep < k ? step + kStep : k;
      for (std::int64_t j = 0; j < kHalf; ++j) {
        for (std::int64_t i = step; i < end; ++i) {
          const std::int8_t low = j < columns ? from[j * k + i] : std::int8_t{0};
          const std::int8_t high = j + kHalf < columns ? from[(j + kHalf) * k + i] : std::int8_t{0};
          panel[i * kHalf + j] = scalar::pair_s4(low, high);
        }
      }
    }
  }
}

template <std::int64_t width, Storage From>
void pack_from(const void* rows, Storage to, void* panels, std::int64_t n_begin, std::int64_t n_end,
               std::int64_t k) noexcept {
  switch (to) {
    case Storage::kF32:
      return pack_typed<width, From, Storage::kF32>(rows, panels, n_begin, n_end, k);
    case Storage::kF16:
      return pack_typed<width, From, Storage::kF16>(rows, panels, n_begin, n_end, k);
    case Storage::kBF16:
      return pack_typed<width, From, Storage::kBF16>(rows, panels, n_begin, n_end, k);
    case Storage::kS8:
    case Storage::kS4:
      return;  // not from floats: see pack
  }
}

}  // namespace

template <std::int64_t width>
std::size_t packed_bytes_in_panels(Storage storage, std::int64_t n, std::int64_t k) noexcept {
  const auto panels = static_cast<std::size_t>((n + width - 1) / width);
  const std::size_t elements = panels * static_cast<std::size_t>(width) * static_cast<std::size_t>(k);
  return storage == Storage::kS4 ? elements / 2 : elements * storage_size(storage);
}

template <std::int64_t width>
void pack_in_panels(Storage from, const void* rows, Storage to, void* panels, std::int64_t n_begin, std::int64_t n_end,
                    std::int64_t /*n*/, std::int64_t k) noexcept {
  switch (from) {
    case Storage::kF32:
      return pack_from<width, Storage::kF32>(rows, to, panels, n_begin, n_end, k);
    case Storage::kF16:
      return pack_from<width, Storage::kF16>(rows, to, panels, n_begin, n_end, k);
    case Storage::kBF16:
      return pack_from<width, Storage::kBF16>(rows, to, panels, n_begin, n_end, k);
    case Storage::kS8:
      return pack_typed<width, Storage::kS8, Storage::kS8>(rows, panels, n_begin, n_end, k);
    case Storage::kS4:
      return pack_s4<width>(rows, panels, n_begin, n_end, k);
  }
}

template <std::int64_t width>
void gather_rows_of_panels(const void* panels, const float* scales, const std::int32_t* ids, float* out,
                           std::int64_t count, std::int64_t rows, std::int64_t cols) noexcept {
  for (std::int64_t i = 0; i < count; ++i, out += cols) {
    std::int64_t id = ids[i] < rows ? ids[i] : rows - 1;
    if (id < 0) id = 0;
    const std::int8_t* from = static_cast<const std::int8_t*>(panels) + id / width * width * cols + id % width;
    for (std::int64_t k = 0; k < cols; ++k) out[k] = static_cast<float>(from[k * width]) * scales[id];
  }
}

template std::size_t packed_bytes_in_panels<16>(Storage, std::int64_t, std::int64_t) noexcept;
template std::size_t packed_bytes_in_panels<32>(Storage, std::int64_t, std::int64_t) noexcept;
template void pack_in_panels<16>(Storage, const void*, Storage, void*, std::int64_t, std::int64_t, std::int64_t,
                                 std::int64_t) noexcept;
template void pack_in_panels<32>(Storage, const void*, Storage, void*, std::int64_t, std::int64_t, std::int64_t,
                                 std::int64_t) noexcept;

template void gather_rows_of_panels<16>(const void*, const float*, const std::int32_t*, float*, std::int64_t,
                                        std::int64_t, std::int64_t) noexcept;
template void gather_rows_of_panels<32>(const void*, const float*, const std::int32_t*, float*, std::int64_t,
                                        std::int64_t, std::int64_t) noexcept;

}  // namespace ganglion::kernels
