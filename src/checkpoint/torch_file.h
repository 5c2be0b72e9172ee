// Files that torch.save wrote (pytorch_model.bin), both forms: the zip archive of PyTorch 1.6 and later, and the row of
// pickles of those before. No Python runs and nothing is called: see pickle.h for what is read of a pickle. Like
// safetensors files they may shrink while they are read.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "tensor/source.h"

namespace ganglion::checkpoint {

using Sources = std::map<std::string, std::shared_ptr<const TensorSource>, std::less<>>;

// The tensors of a saved state dict. All that can be known without the numbers is checked; none is read. Tensors may
// share storages and be strided; f64 is read as f32 and s16 as s32 (file_source.h). Sources keep the file open.
// Errors: {kUnsupported} for what zip.h, pickle.h and torch_state.h say, TorchScript, big-endian files and a file of
// one tensor without a name; {kDataCorrupt} for files that torch never writes; and what File throws.
Sources open_torch(const std::filesystem::path& path);

// The tensor of a file that holds just one, as torch.save(tensor, path) writes it. Errors as above.
std::shared_ptr<const TensorSource> open_torch_tensor(const std::filesystem::path& path);

}  // namespace ganglion::checkpoint
