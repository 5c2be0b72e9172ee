#include "hub/source.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "hub/hf_cache.h"
#include "hub/url.h"

namespace ganglion::hub {
namespace {

namespace fs = std::filesystem;

constexpr std::array kArchives = {".zip",   ".mar",    ".tar",     ".tgz",    ".tar.gz",
                                  ".tar.z", ".tar.xz", ".tar.zst", ".tar.bz2"};

// "s3" of "s3://x"; "" for a path or an id.
std::string scheme_of(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon < 2) return "";
  std::string scheme(text.substr(0, colon));
  if (!std::all_of(scheme.begin(), scheme.end(), [](unsigned char c) { return std::isalnum(c); })) return "";
  std::transform(scheme.begin(), scheme.end(), scheme.begin(), [](unsigned char c) { return std::tolower(c); });
  return scheme;
}

Source local(const std::string& path, const std::vector<fs::path>& bases, bool* found) {
  Source source;
  std::error_code ignored;
  for (const fs::path& base : bases) {
    source.path = base / path;  // an absolute path stands alone
    *found = !path.empty();
    if (path.empty()) break;
    if (fs::is_directory(source.path, ignored)) return source;
    source.kind = SourceKind::kArchiveFile;
    if (is_archive_name(path) && fs::is_regular_file(source.path, ignored)) return source;
    source.kind = SourceKind::kFolder;
  }
  *found = false;
  return source;
}

std::string looked_in(const std::string& path, const std::vector<fs::path>& bases) {
  if (fs::path(path).is_absolute()) return path;
  std::string out;
  for (const fs::path& base : bases) out += (out.empty() ? "" : " and ") + (base / path).lexically_normal().string();
  return out;
}

}  // namespace

std::string_view without_archive_ending(std::string_view name) noexcept {
  for (const std::string_view ending : kArchives) {
    if (name.size() <= ending.size()) continue;
    const std::string_view last = name.substr(name.size() - ending.size());
    const auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == b; };
    if (std::equal(last.begin(), last.end(), ending.begin(), same)) return name.substr(0, name.size() - ending.size());
  }
  return name;
}

bool is_archive_name(std::string_view path) noexcept {
  const std::string_view name = last_part(path);
  return without_archive_ending(name).size() < name.size();
}

std::string shown(const Source& source) {
  return source.kind == SourceKind::kWebArchive ? Url::parse(source.text, "hub").shown() : source.text;
}

Source parse_source(std::string_view text, const std::vector<fs::path>& bases, std::string_view place) {
  Source source;
  source.text = text;
  const std::string scheme = scheme_of(text);
  bool found = false;
  if (scheme == "file") {
    std::string_view rest = text.substr(5);
    if (rest.starts_with("//localhost/")) rest.remove_prefix(11);
    if (rest.starts_with("//")) rest.remove_prefix(2);
    const std::string path = percent_decode(rest, place);
    source = local(path, bases, &found);
    source.text = text;
    if (found) return source;
    fail(Code::kNotFound, "[{}] {}: {} is neither a folder nor an archive", place, text, looked_in(path, bases));
  }
  if (scheme == "s3") {
    source.kind = SourceKind::kS3;
    return source;
  }
  if (scheme == "http" || scheme == "https") {
    const Url url = Url::parse(text, place);
    if (!is_archive_name(url.path)) {
      fail(Code::kInvalidArgument,
           "[{}] {}: wanted the URL of an archive (.zip, .mar, .tar, .tgz, .tar.gz); a Hugging Face model is named by "
           "its "
           "id, as in facebook/opt-1.3b",
           place, url.shown());
    }
    source.kind = SourceKind::kWebArchive;
    return source;
  }
  if (scheme == "djl") {
    fail(Code::kUnsupported,
         "[{}] {}: the artifacts of DJL's model zoo are made for its Java engines (PyTorch, MXNet, ONNX Runtime) and "
         "hold "
         "no Hugging Face checkpoint; name the model by its Hugging Face id or an s3:// or https:// address",
         place, text);
  }
  if (!scheme.empty()) {
    fail(Code::kUnsupported,
         "[{}] {}: addresses of kind {}: are not supported; wanted file:, s3://, http:// or https://", place, text,
         scheme);
  }
  source = local(std::string(text), bases, &found);
  source.text = text;
  if (found) return source;
  if (is_model_id(text)) {
    source.kind = SourceKind::kHuggingFace;
    return source;
  }
  fail(Code::kNotFound,
       "[{}] '{}': there is no such folder ({}), and it is neither a Hugging Face id (org/name) nor an address (s3://, "
       "https://, file:)",
       place, text, looked_in(std::string(text), bases));
}

}  // namespace ganglion::hub
