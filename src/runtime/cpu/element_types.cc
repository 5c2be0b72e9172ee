#include "runtime/cpu/element_types.h"

#include "tensor/half.h"

namespace ganglion::runtime::cpu {
namespace {

template <typename T>
T read_as(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}
template <typename T>
void write_as(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof(T));
}

template <typename T>
void widen(const std::byte* from, std::int64_t* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = read_as<T>(from + i * static_cast<std::int64_t>(sizeof(T)));
}
template <typename T>
void narrow(const std::int64_t* from, std::byte* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    write_as(to + i * static_cast<std::int64_t>(sizeof(T)), static_cast<T>(from[i]));
  }
}

std::size_t storage_index(DType dtype) {
  return static_cast<std::size_t>(dtype == DType::kF16    ? kernels::Storage::kF16
                                  : dtype == DType::kBF16 ? kernels::Storage::kBF16
                                                          : kernels::Storage::kF32);
}

}  // namespace

std::int64_t wrap_integer(DType dtype, std::int64_t value) noexcept {
  switch (dtype) {
    case DType::kPred:
      return value & 1;
    case DType::kS4:
      return ((value & 15) ^ 8) - 8;
    case DType::kS8:
      return static_cast<std::int8_t>(value);
    case DType::kS32:
      return static_cast<std::int32_t>(value);
    case DType::kU8:
      return static_cast<std::uint8_t>(value);
    case DType::kU32:
      return static_cast<std::uint32_t>(value);
    default:
      return value;
  }
}

std::int64_t load_integer(DType dtype, const std::byte* at) noexcept {
  switch (dtype) {
    case DType::kPred:
      return read_as<std::uint8_t>(at) != 0;
    case DType::kS4:
    case DType::kS8:
      return read_as<std::int8_t>(at);
    case DType::kS32:
      return read_as<std::int32_t>(at);
    case DType::kU8:
      return read_as<std::uint8_t>(at);
    case DType::kU32:
      return read_as<std::uint32_t>(at);
    case DType::kS64:
      return read_as<std::int64_t>(at);
    default:
      return 0;
  }
}

float load_float(DType dtype, const std::byte* at) noexcept {
  if (dtype == DType::kF16) return f16_to_f32(read_as<std::uint16_t>(at));
  if (dtype == DType::kBF16) return bf16_to_f32(read_as<std::uint16_t>(at));
  return read_as<float>(at);
}

void store_integer(DType dtype, std::byte* at, std::int64_t value) noexcept {
  switch (dtype) {
    case DType::kPred:
      return write_as(at, static_cast<std::uint8_t>(value != 0));
    case DType::kS4:
    case DType::kS8:
    case DType::kU8:
      return write_as(at, static_cast<std::uint8_t>(value));
    case DType::kS32:
    case DType::kU32:
      return write_as(at, static_cast<std::uint32_t>(value));
    default:
      return write_as(at, value);
  }
}

void store_float(DType dtype, std::byte* at, float value) noexcept {
  if (dtype == DType::kF16) return write_as(at, f32_to_f16(value));
  if (dtype == DType::kBF16) return write_as(at, f32_to_bf16(value));
  write_as(at, value);
}

void load_block(const kernels::Table& table, DType dtype, const std::byte* from, void* to,
                std::int64_t count) noexcept {
  if (is_float(dtype)) {
    table.to_f32[storage_index(dtype)](from, static_cast<float*>(to), count);
    return;
  }
  auto* out = static_cast<std::int64_t*>(to);
  switch (dtype) {
    case DType::kPred:
      for (std::int64_t i = 0; i < count; ++i) out[i] = from[i] != std::byte{0};
      return;
    case DType::kS4:
    case DType::kS8:
      return widen<std::int8_t>(from, out, count);
    case DType::kS32:
      return widen<std::int32_t>(from, out, count);
    case DType::kU8:
      return widen<std::uint8_t>(from, out, count);
    case DType::kU32:
      return widen<std::uint32_t>(from, out, count);
    default:
      return widen<std::int64_t>(from, out, count);
  }
}

void store_block(const kernels::Table& table, DType dtype, const void* from, std::byte* to,
                 std::int64_t count) noexcept {
  if (is_float(dtype)) {
    table.from_f32[storage_index(dtype)](static_cast<const float*>(from), to, count);
    return;
  }
  const auto* in = static_cast<const std::int64_t*>(from);
  switch (dtype) {
    case DType::kPred:
      for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<std::byte>(in[i] != 0);
      return;
    case DType::kS4:
    case DType::kS8:
    case DType::kU8:
      return narrow<std::uint8_t>(in, to, count);
    case DType::kS32:
    case DType::kU32:
      return narrow<std::uint32_t>(in, to, count);
    default:
      return narrow<std::int64_t>(in, to, count);
  }
}

void round_block(const kernels::Table&, DType dtype, void* values, std::int64_t count) noexcept {
  if (dtype == DType::kF32 || dtype == DType::kS64) return;
  if (is_float(dtype)) {
    auto* floats = static_cast<float*>(values);
    for (std::int64_t i = 0; i < count; ++i) {
      floats[i] = dtype == DType::kF16 ? f16_to_f32(f32_to_f16(floats[i])) : bf16_to_f32(f32_to_bf16(floats[i]));
    }
    return;
  }
  auto* integers = static_cast<std::int64_t*>(values);
  for (std::int64_t i = 0; i < count; ++i) integers[i] = wrap_integer(dtype, integers[i]);
}

}  // namespace ganglion::runtime::cpu
