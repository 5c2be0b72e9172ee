// Names that a model's index gives, as files of the model's folder.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ganglion::checkpoint {

// The file or folder of that name in the folder, with links followed; nullopt when there is none. It must lie within
// the folder, wherever links lead; the snapshot folders of the Hugging Face cache, whose files link to ../../blobs, are
// the one exception. `index` is the file that gives the name, for messages. Error{kInvalidArgument} for a name or a
// link that leaves the folder.
std::optional<std::filesystem::path> file_within(const std::filesystem::path& folder, const std::string& name,
                                                 const std::string& index);

}  // namespace ganglion::checkpoint
