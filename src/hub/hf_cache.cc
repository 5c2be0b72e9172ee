#include "hub/hf_cache.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "hub/hash.h"
#include "hub/partial_file.h"

namespace ganglion::hub {
namespace {

namespace fs = std::filesystem;

bool good_part(std::string_view part) {
  const auto word = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
  return !part.empty() && part.size() <= 96 && word(static_cast<unsigned char>(part.front())) &&
         word(static_cast<unsigned char>(part.back())) &&
         std::all_of(part.begin(), part.end(), [&](unsigned char c) { return word(c) || c == '-' || c == '.'; });
}

std::string folder_name(std::string_view id) {
  std::string name = "models--" + std::string(id);
  if (const std::size_t slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  return name;
}

// A name beside `path` that no other process uses.
fs::path beside(const fs::path& path) {
  return path.parent_path() / ("." + path.filename().string() + "." + std::to_string(::getpid()) + ".tmp");
}

}  // namespace

bool is_commit(std::string_view text) noexcept { return is_hex(text, 40); }

bool is_model_id(std::string_view text) noexcept {
  if (text.find("--") != std::string_view::npos || text.find("..") != std::string_view::npos) return false;
  if (text.ends_with(".git")) return false;
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return good_part(text);
  return good_part(text.substr(0, slash)) && good_part(text.substr(slash + 1));
}

void check_revision(std::string_view revision) {
  bool good = !revision.empty() && revision.size() <= 255 && revision.front() != '/' && revision.back() != '/' &&
              revision.find("..") == std::string_view::npos && revision.find("//") == std::string_view::npos;
  good = good && std::all_of(revision.begin(), revision.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '_' || c == '-' || c == '.' || c == '/' || c == '+' || c == '@';
         });
  for (std::size_t at = 0; good && at < revision.size();
       at = std::min(revision.find('/', at), revision.size() - 1) + 1) {
    good = revision[at] != '.';
  }
  if (!good) fail(Code::kInvalidArgument, "[hub] revision '{}': wanted a branch, a tag or a commit", revision);
}

HfCache::HfCache(const fs::path& cache, std::string_view id)
    : folder_(cache / folder_name(id)), locks_(cache / ".locks" / folder_name(id)) {}

std::optional<std::string> HfCache::commit_of(const std::string& revision) const {
  if (is_commit(revision)) return revision;
  const fs::path file = folder_ / "refs" / revision;
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return std::nullopt;
  std::string commit = read_text(file, 4096);
  std::erase_if(commit, [](unsigned char c) { return std::isspace(c); });
  if (!is_commit(commit)) {
    fail(Code::kDataCorrupt, "[hub] {}: wanted a commit of 40 hexadecimal digits; delete the file", file.string());
  }
  return commit;
}

bool HfCache::has(const std::string& commit, const std::string& file) const {
  std::error_code ignored;
  return fs::is_regular_file(snapshot(commit) / file, ignored);
}

std::vector<std::string> HfCache::files(const std::string& commit) const {
  std::vector<std::string> names;
  std::error_code error;
  const fs::path root = snapshot(commit);
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    if (it->is_regular_file(error)) names.push_back(it->path().lexically_relative(root).generic_string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void HfCache::link(const std::string& commit, const std::string& file, const std::string& etag) const {
  const fs::path path = snapshot(commit) / file;
  make_folder(path.parent_path());
  const fs::path temporary = beside(path);
  std::error_code error;
  fs::remove(temporary, error);
  fs::create_symlink(blob(etag).lexically_relative(path.parent_path()), temporary, error);
  if (!error) fs::rename(temporary, path, error);
  if (error) {
    fs::remove(temporary, error);
    fail(Code::kInvalidArgument,
         "[hub] {} cannot be made; choose another cache, on a file system with symbolic links, with --cache or "
         "HF_HUB_CACHE",
         path.string());
  }
}

void HfCache::remember(const std::string& revision, const std::string& commit) const {
  if (is_commit(revision)) return;
  try {
    if (commit_of(revision) == commit) return;
  } catch (const Error&) {  // a broken one is written anew
  }
  const fs::path path = folder_ / "refs" / revision;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  const fs::path temporary = beside(path);
  std::ofstream(temporary, std::ios::binary) << commit;
  fs::rename(temporary, path, error);
  if (error) log::debug("[hub] {} cannot be written: {}", path.string(), error.message());
}

}  // namespace ganglion::hub
