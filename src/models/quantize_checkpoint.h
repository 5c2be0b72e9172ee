// A checkpoint folder with its matrices in s8 or s4: what `ganglion quantize` writes.
//
// The folder has the tokenizer and other files of the first one; config.json with a "quantization_config" of
// quant_method "ganglion", bits, group_size (of s4), modules_in_8_bits and modules_not_converted (matrices of s4 that
// are kept in s8, and those kept as they were); and model.safetensors, in which a matrix NAME [out, in] is I8, or for
// s4 U8 [out, in / 2] with elements 2i and 2i + 1 in the low and high four bits of byte i, and NAME_scale holds its
// scales (checkpoint/quantize.h). Which matrix is kept how is decided where the family declares it (nn/weights.h), by
// the same rules as when a checkpoint is quantized while it is loaded, so that both give the same bits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/thread_pool.h"
#include "tensor/dtype.h"

namespace ganglion::models {

struct QuantizeOptions {
  DType to = DType::kS8;                                                     // or kS4
  std::int64_t group = 32;                                                   // of s4
  ThreadPool* pool = nullptr;                                                // null: the caller's thread alone
  std::function<void(std::uint64_t done, std::uint64_t all)> progress = {};  // bytes of the old weights read
};

struct QuantizeReport {
  std::uint64_t bytes_before = 0;  // of all weights
  std::uint64_t bytes_after = 0;
  std::int64_t in_s8 = 0, in_s4 = 0, kept = 0;  // tensors
  std::int64_t left_out = 0;                    // tensors that the family does not use
  double largest_error = 0;                     // of a matrix: square root of the squared error over the squares
  std::string largest_error_at;                 // its name
};

// Writes `out`, which must not exist or be an empty folder: beside it first, then in its place. The same bytes whatever
// the threads. In memory: a few MiB of rows, and the scales. Errors: as read_config, Store::open and the family's
// builder; kInvalidArgument when the checkpoint is quantized already or `out` cannot be written; kDataCorrupt for
// weights that are not finite.
QuantizeReport quantize_checkpoint(const std::filesystem::path& folder, const std::filesystem::path& out,
                                   const QuantizeOptions& options);

}  // namespace ganglion::models
