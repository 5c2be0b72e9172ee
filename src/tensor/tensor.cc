#include "tensor/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "tensor/half.h"

namespace ganglion {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

std::int64_t element_count(std::span<const std::int64_t> dims) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 62;
  std::int64_t count = 1;
  bool empty = false;
  for (const std::int64_t size : dims) {
    if (size < 0) fail(Code::kInvalidArgument, "[tensor] dims [{}]: a size is negative", fmt::join(dims, ","));
    empty = empty || size == 0;
  }
  if (empty) return 0;
  for (const std::int64_t size : dims) {
    if (count > kLimit / size)
      fail(Code::kInvalidArgument, "[tensor] dims [{}]: more than 2^62 elements", fmt::join(dims, ","));
    count *= size;
  }
  return count;
}

std::string shape_text(DType dtype, std::span<const std::int64_t> dims) {
  return fmt::format("{}[{}]", dtype_name(dtype), fmt::join(dims, ","));
}

Buffer::Buffer(std::size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  if (bytes >= kHugePage) {
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail(Code::kResourceExhausted, "[tensor] {} bytes of memory cannot be had", bytes);
    ::madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: without it everything works, a little slower
    data_ = static_cast<std::byte*>(memory);
    mapped_ = true;
    return;
  }
  void* memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (memory == nullptr) fail(Code::kResourceExhausted, "[tensor] {} bytes of memory cannot be had", bytes);
  std::memset(memory, 0, bytes);
  data_ = static_cast<std::byte*>(memory);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, false)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

Buffer::~Buffer() {
  if (mapped_) {
    ::munmap(data_, size_);
  } else {
    std::free(data_);
  }
}

Tensor::Tensor(DType dtype, Dims dims) : dtype_(dtype), dims_(std::move(dims)), buffer_(bytes()) {}

Tensor Tensor::clone() const {
  Tensor out(dtype_, dims_);
  out.assign(data(), bytes());
  return out;
}

void Tensor::assign(const void* source, std::size_t count) {
  GANGLION_CHECK(count == bytes());
  if (count > 0) std::memcpy(data(), source, count);
}

double element_as_double(const TensorView& tensor, std::int64_t i) {
  switch (tensor.dtype) {
    case DType::kPred:
    case DType::kU8:
      return reinterpret_cast<const std::uint8_t*>(tensor.data)[i];
    case DType::kS4:
    case DType::kS8:
      return reinterpret_cast<const std::int8_t*>(tensor.data)[i];
    case DType::kS32:
      return reinterpret_cast<const std::int32_t*>(tensor.data)[i];
    case DType::kS64:
      return static_cast<double>(reinterpret_cast<const std::int64_t*>(tensor.data)[i]);
    case DType::kU32:
      return reinterpret_cast<const std::uint32_t*>(tensor.data)[i];
    case DType::kF16:
      return f16_to_f32(reinterpret_cast<const std::uint16_t*>(tensor.data)[i]);
    case DType::kBF16:
      return bf16_to_f32(reinterpret_cast<const std::uint16_t*>(tensor.data)[i]);
    case DType::kF32:
      return reinterpret_cast<const float*>(tensor.data)[i];
  }
  return 0;
}

void set_element_from_double(const MutableTensorView& tensor, std::int64_t i, double value) {
  switch (tensor.dtype) {
    case DType::kPred:
      reinterpret_cast<std::uint8_t*>(tensor.data)[i] = value != 0 ? 1 : 0;
      break;
    case DType::kU8:
      reinterpret_cast<std::uint8_t*>(tensor.data)[i] = static_cast<std::uint8_t>(value);
      break;
    case DType::kS4:
    case DType::kS8:
      reinterpret_cast<std::int8_t*>(tensor.data)[i] = static_cast<std::int8_t>(value);
      break;
    case DType::kS32:
      reinterpret_cast<std::int32_t*>(tensor.data)[i] = static_cast<std::int32_t>(value);
      break;
    case DType::kS64:
      reinterpret_cast<std::int64_t*>(tensor.data)[i] = static_cast<std::int64_t>(value);
      break;
    case DType::kU32:
      reinterpret_cast<std::uint32_t*>(tensor.data)[i] = static_cast<std::uint32_t>(value);
      break;
    case DType::kF16:
      reinterpret_cast<std::uint16_t*>(tensor.data)[i] = f32_to_f16(static_cast<float>(value));
      break;
    case DType::kBF16:
      reinterpret_cast<std::uint16_t*>(tensor.data)[i] = f32_to_bf16(static_cast<float>(value));
      break;
    case DType::kF32:
      reinterpret_cast<float*>(tensor.data)[i] = static_cast<float>(value);
      break;
  }
}

}  // namespace ganglion
