// The split form of a checkpoint, as transformers-neuronx's save_pretrained_split writes it: a folder with the name
// pytorch_model.bin that holds one torch file per tensor, and key_to_filename.json to say which. A tensor may be given
// by an .empty_json file instead: then it is random.
#pragma once

#include <cstddef>
#include <filesystem>

#include "checkpoint/torch_file.h"

namespace ganglion::checkpoint {

inline constexpr const char* kSplitIndex = "key_to_filename.json";

// Opens and checks every file of the folder, and closes it again: a source opens its file for each reading, so that a
// model of thousands of tensors holds no descriptors. A file that came to hold another tensor meanwhile is
// {kDataCorrupt}. Errors: {kNotFound} when key_to_filename.json or a file that it names is missing; {kInvalidArgument}
// for names and links that leave the folder; {kDataCorrupt}, {kUnsupported} as read_json and open_torch_tensor.
Sources open_split(const std::filesystem::path& folder);

}  // namespace ganglion::checkpoint
