// The split form of a checkpoint, as transformers-neuronx's save_pretrained_split writes it: a folder with the name
// pytorch_model.bin that holds one torch file per tensor, and key_to_filename.json to say which. A tensor may be given
// by an .empty_json file instead: then it is random.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "checkpoint/torch_file.h"
#include "checkpoint/write.h"

namespace ganglion::checkpoint {

inline constexpr const char* kSplitFolder = "pytorch_model.bin";
inline constexpr const char* kSplitIndex = "key_to_filename.json";
inline constexpr const char* kSplitUnfinished = "pytorch_model.bin.unfinished";

// Opens and checks every file of the folder, and closes it again: a source opens its file for each reading, so that a
// model of thousands of tensors holds no descriptors. A file that came to hold another tensor meanwhile is
// {kDataCorrupt}. Errors: {kNotFound} when key_to_filename.json or a file that it names is missing; {kInvalidArgument}
// for names and links that leave the folder; {kDataCorrupt}, {kUnsupported} as read_json and open_torch_tensor.
Sources open_split(const std::filesystem::path& folder);

// Writes kSplitFolder into `folder`, which is there: the tensors in this order, one file each, a few MiB at a time.
// They are written to kSplitUnfinished, which takes its name and the place of what was there when it is whole: a reader
// never sees a part. `written` is called with the bytes of each piece. Errors: {kInvalidArgument} when a name comes
// twice, gives no name of a file, or when something cannot be written; and what write_torch_tensor throws. What was
// unfinished is then removed.
void write_split(const std::filesystem::path& folder, const std::vector<NamedTensor>& tensors,
                 const std::function<void(std::uint64_t)>& written);

}  // namespace ganglion::checkpoint
