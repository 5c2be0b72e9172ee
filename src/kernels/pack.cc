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
  }
}

}  // namespace

template <std::int64_t width>
std::size_t packed_bytes_in_panels(Storage storage, std::int64_t n, std::int64_t k) noexcept {
  const auto panels = static_cast<std::size_t>((n + width - 1) / width);
  return panels * static_cast<std::size_t>(width) * static_cast<std::size_t>(k) * storage_size(storage);
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
  }
}

template std::size_t packed_bytes_in_panels<16>(Storage, std::int64_t, std::int64_t) noexcept;
template std::size_t packed_bytes_in_panels<32>(Storage, std::int64_t, std::int64_t) noexcept;
template void pack_in_panels<16>(Storage, const void*, Storage, void*, std::int64_t, std::int64_t, std::int64_t,
                                 std::int64_t) noexcept;
template void pack_in_panels<32>(Storage, const void*, Storage, void*, std::int64_t, std::int64_t, std::int64_t,
                                 std::int64_t) noexcept;

}  // namespace ganglion::kernels
