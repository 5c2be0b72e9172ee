// A tensor that lies in a file, dense or strided, as a source of rows.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "tensor/source.h"

namespace ganglion::checkpoint {

// How a file stores elements, all little-endian. What no kernel has is widened or rounded as it is read: f64 becomes
// f32 (to nearest, as Python's .float() does), s16 becomes s32.
enum class Stored { kPred, kS8, kU8, kS16, kS32, kU32, kS64, kF16, kBF16, kF32, kF64 };

std::size_t stored_size(Stored stored) noexcept;  // bytes of one element
DType read_as(Stored stored) noexcept;
Stored stored_as(DType dtype) noexcept;  // the type whose elements are kept as they are

struct FileTensor {
  Stored stored = Stored::kF32;
  Dims dims;
  std::vector<std::uint64_t> strides;  // elements from one index to the next, one of each dimension
  std::uint64_t offset = 0;            // of the element at index 0, in the file
};

// Strides of a dense row-major tensor.
std::vector<std::uint64_t> dense_strides(const Dims& dims);

// The caller has checked that every element lies within the file. Keeps the file open. read_rows reads what it returns
// and at most 256 KiB beside; a dense tensor's rows in one piece. A file that became shorter, or a pred that is neither
// 0 nor 1, is {kDataCorrupt}. `name` is the tensor's, for messages.
std::shared_ptr<const TensorSource> file_source(std::shared_ptr<const File> file, std::string name, FileTensor tensor);

}  // namespace ganglion::checkpoint
