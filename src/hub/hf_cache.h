// The cache of huggingface_hub on disk, as it defines it, so that both programs use one:
//   CACHE/models--org--name/refs/REVISION          a commit
//   CACHE/models--org--name/snapshots/COMMIT/FILE  a relative link to
//   CACHE/models--org--name/blobs/ETAG             (ETAG.incomplete while it is fetched)
//   CACHE/.locks/models--org--name/ETAG.lock
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ganglion::hub {

// Whether a text is a model's id: "name" or "org/name" of letters, digits, '_', '-' and '.', neither of which begins or
// ends with '-' or '.', without "--" and "..", at most 96 bytes a part.
bool is_model_id(std::string_view text) noexcept;
// kInvalidArgument unless it can name a branch, a tag or a commit ("main", "refs/pr/1").
void check_revision(std::string_view revision);
bool is_commit(std::string_view text) noexcept;  // 40 hexadecimal digits

class HfCache {
 public:
  // Touches nothing yet.
  HfCache(const std::filesystem::path& cache, std::string_view id);

  const std::filesystem::path& folder() const noexcept { return folder_; }
  std::filesystem::path snapshot(const std::string& commit) const { return folder_ / "snapshots" / commit; }
  std::filesystem::path blob(const std::string& etag) const { return folder_ / "blobs" / etag; }
  std::filesystem::path partial(const std::string& etag) const { return folder_ / "blobs" / (etag + ".incomplete"); }
  std::filesystem::path lock(const std::string& etag) const { return locks_ / (etag + ".lock"); }

  // The commit that the cache has for a revision; nullopt when it has none.
  std::optional<std::string> commit_of(const std::string& revision) const;
  // Whether the snapshot has the file, whole: the link leads to a regular file.
  bool has(const std::string& commit, const std::string& file) const;
  // Every file of the snapshot, by its name in it.
  std::vector<std::string> files(const std::string& commit) const;
  // Links snapshots/commit/file to the blob, in one step. kInvalidArgument when it cannot.
  void link(const std::string& commit, const std::string& file, const std::string& etag) const;
  // Writes refs/revision, in one step. A cache that is read-only keeps what it has.
  void remember(const std::string& revision, const std::string& commit) const;

 private:
  std::filesystem::path folder_, locks_;
};

}  // namespace ganglion::hub
