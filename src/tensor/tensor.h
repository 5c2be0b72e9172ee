// Dense row-major tensors. Tensor owns its bytes; TensorView and MutableTensorView borrow them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace ganglion {

using Dims = std::vector<std::int64_t>;

// Product of dims, 1 for a scalar. Error{kInvalidArgument} when a size is negative or the product passes 2^62.
std::int64_t element_count(std::span<const std::int64_t> dims);
// "f32[2,3]"
std::string shape_text(DType dtype, std::span<const std::int64_t> dims);

struct TensorView {
  DType dtype = DType::kF32;
  Dims dims;
  const std::byte* data = nullptr;

  std::size_t bytes() const { return static_cast<std::size_t>(element_count(dims)) * dtype_size(dtype); }
  template <typename T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(data), bytes() / sizeof(T)};
  }
};

struct MutableTensorView {
  DType dtype = DType::kF32;
  Dims dims;
  std::byte* data = nullptr;

  std::size_t bytes() const { return static_cast<std::size_t>(element_count(dims)) * dtype_size(dtype); }
  template <typename T>
  std::span<T> as() const {
    return {reinterpret_cast<T*>(data), bytes() / sizeof(T)};
  }
};

// 64-byte aligned memory, zeroed. Large buffers (2 MiB and up) come from anonymous pages with transparent huge pages
// asked for, so the first touch decides where and when they become resident.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  ~Buffer();

  std::byte* data() noexcept { return data_; }
  const std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  bool mapped_ = false;
};

class Tensor {
 public:
  Tensor() = default;
  // Zeroed. Throws as element_count does, and Error{kResourceExhausted} when memory cannot be had.
  Tensor(DType dtype, Dims dims);
  template <typename T>
  static Tensor from(DType dtype, Dims dims, std::span<const T> values) {
    Tensor out(dtype, std::move(dims));
    out.assign(values.data(), values.size_bytes());
    return out;
  }
  Tensor clone() const;

  DType dtype() const noexcept { return dtype_; }
  const Dims& dims() const noexcept { return dims_; }
  std::int64_t elements() const { return element_count(dims_); }
  std::byte* data() noexcept { return buffer_.data(); }
  const std::byte* data() const noexcept { return buffer_.data(); }
  std::size_t bytes() const { return static_cast<std::size_t>(elements()) * dtype_size(dtype_); }
  template <typename T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(data()), bytes() / sizeof(T)};
  }
  template <typename T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(data()), bytes() / sizeof(T)};
  }
  TensorView view() const { return {dtype_, dims_, data()}; }
  MutableTensorView mutable_view() { return {dtype_, dims_, data()}; }

 private:
  void assign(const void* source, std::size_t bytes);  // CHECKs that bytes matches

  DType dtype_ = DType::kF32;
  Dims dims_;
  Buffer buffer_;
};

// Element i as a double / set from a double, for tests, printers and slow paths. s64 beyond 2^53 loses digits.
double element_as_double(const TensorView& tensor, std::int64_t i);
void set_element_from_double(const MutableTensorView& tensor, std::int64_t i, double value);

}  // namespace ganglion
