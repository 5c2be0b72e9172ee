#include "checkpoint/within_folder.h"

#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "checkpoint/quoted.h"

namespace ganglion::checkpoint {
namespace {

namespace fs = std::filesystem;

bool is_within(const fs::path& path, const fs::path& folder) {
  const auto [in_folder, in_path] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return in_folder == folder.end();
}

}  // namespace

std::optional<fs::path> file_within(const fs::path& folder, const std::string& name, const std::string& index) {
  const bool plain = !name.empty() && name[0] != '/' &&
                     std::none_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; });
  const fs::path relative = plain ? name : "";
  if (!plain || std::find(relative.begin(), relative.end(), "..") != relative.end()) {
    fail(Code::kInvalidArgument, "[checkpoint] {}: the shard {} lies outside the folder; name files within it",
         (folder / index).string(), in_quotes(name));
  }
  std::error_code error;
  const fs::path root = fs::canonical(folder, error);
  const fs::path target = fs::canonical(folder / relative, error);
  if (error) return std::nullopt;
  // The Hugging Face cache keeps a model's files in blobs/ and gives them their names by links in snapshots/COMMIT/.
  const bool snapshot = root.parent_path().filename() == "snapshots";
  const fs::path blobs = snapshot ? root.parent_path().parent_path() / "blobs" : root;
  if (!is_within(target, root) && !is_within(target, blobs)) {
    fail(Code::kInvalidArgument,
         "[checkpoint] {} is a link to {}, outside the model's folder; copy the file into the folder",
         (folder / relative).string(), target.string());
  }
  return target;
}

}  // namespace ganglion::checkpoint
