// NumPy's .npy files: one dense tensor each. Read in versions 1, 2 and 3 of the format, little endian, C order; written
// in version 1. Types: pred b1, s8 i1, s32 i4, s64 i8, u8 u1, u32 u4, f16 f2, f32 f4. NumPy has no bfloat16: a bf16
// tensor is stored as its bits in '<u2', and '<u2' is read as bf16 (in Python: (a.astype('u4') << 16).view('f4')).
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace ganglion {

// The tensor of a .npy file. Everything is checked before memory is taken: Error{kDataCorrupt} when the file is not a
// well-formed .npy of exactly the length its header says, {kUnsupported} for another type, byte order or Fortran order,
// and what File throws.
Tensor read_npy(const std::filesystem::path& path);
// The same for a file already in memory; `place` names it in messages.
Tensor parse_npy(std::span<const std::byte> file, std::string_view place);

// Replaces the file. Error{kInvalidArgument} when it cannot be written.
void write_npy(const std::filesystem::path& path, const TensorView& tensor);
// What precedes the tensor's bytes in its file.
std::string npy_header(DType dtype, std::span<const std::int64_t> dims);

}  // namespace ganglion
