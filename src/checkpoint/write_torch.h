// Writing files that torch.load reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "tensor/source.h"

namespace ganglion::checkpoint {

// Writes the tensor as torch.save(tensor, path) does, in the zip form: an archive of a pickle and the tensor's bytes,
// which begin at a multiple of 64. `written` is called with the bytes of each piece. Errors: {kUnsupported} for u32,
// which PyTorch has only since 2.3; {kInvalidArgument} when the file cannot be written, which is then cut short; and
// what the source throws.
void write_torch_tensor(const std::filesystem::path& path, const TensorSource& tensor,
                        const std::function<void(std::uint64_t)>& written);

}  // namespace ganglion::checkpoint
