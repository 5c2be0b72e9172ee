#include "server/model_list.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "base/log.h"
#include "hub/url.h"

namespace ganglion::server {
namespace {

namespace fs = std::filesystem;

bool is_model_folder(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "serving.properties", ignored) || fs::exists(folder / "config.json", ignored);
}

std::string name_of(const fs::path& folder) {
  fs::path last = folder.lexically_normal();
  if (last.filename().empty()) last = last.parent_path();
  std::string name = last.filename().string();
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

// Of "s3://bucket/opt-13b.tar.gz?x" "opt_13b".
std::string name_of(const hub::Source& source) {
  std::string_view text = source.text;
  if (source.kind == hub::SourceKind::kWebArchive) text = text.substr(0, text.find_first_of("?#"));
  while (text.ends_with('/')) text.remove_suffix(1);
  text = hub::last_part(text);
  return name_of(fs::path(hub::without_archive_ending(text)));
}

}  // namespace

ModelEntry parse_model_entry(std::string_view text, const fs::path& base) {
  ModelEntry entry;
  std::string_view url = text;
  if (const std::size_t equals = text.find('='); equals != std::string_view::npos && equals > 0 &&
                                                 text.substr(0, equals).find_first_of("?/") == std::string_view::npos) {
    std::string_view label = text.substr(0, equals);
    url = text.substr(equals + 1);
    if (label.starts_with('[')) label.remove_prefix(1);
    if (label.ends_with(']')) label.remove_suffix(1);
    const std::array<std::string*, 4> parts = {&entry.name, &entry.version, &entry.engine, &entry.devices};
    for (std::size_t part = 0;; ++part) {
      if (part == parts.size())
        fail(Code::kInvalidArgument, "[models] '{}': wanted [name[:version[:engine[:devices]]]=]url", text);
      const std::size_t colon = label.find(':');
      *parts[part] = std::string(label.substr(0, colon));
      if (colon == std::string_view::npos) break;
      label.remove_prefix(colon + 1);
    }
  }
  if (url.empty())
    fail(Code::kInvalidArgument, "[models] '{}': the url is empty; wanted [name[:version[:engine[:devices]]]=]url",
         text);
  hub::Source source = hub::parse_source(url, {base}, entry.name.empty() ? "models" : "models: " + entry.name);
  if (source.kind == hub::SourceKind::kFolder) {
    entry.folder = source.path;
    if (entry.name.empty()) entry.name = name_of(fs::canonical(entry.folder));
  } else {
    if (entry.name.empty()) entry.name = name_of(source);
    entry.source = std::move(source);
  }
  return entry;
}

std::vector<ModelEntry> list_store(const fs::path& store) {
  std::error_code error;
  if (!fs::is_directory(store, error)) {
    fail(Code::kNotFound, "[model_store] {} is not a folder; give one with -s or model_store in config.properties",
         store.string());
  }
  std::vector<ModelEntry> entries;
  if (is_model_folder(store)) {
    entries.push_back(
        {.name = name_of(fs::canonical(store)), .version = "", .engine = "", .devices = "", .folder = store});
    return entries;
  }
  for (const fs::directory_entry& child : fs::directory_iterator(store, error)) {
    const std::string name = child.path().filename().string();
    if (name.starts_with('.') || !child.is_directory(error)) continue;
    if (is_model_folder(child.path())) {
      entries.push_back(
          {.name = name_of(child.path()), .version = "", .engine = "", .devices = "", .folder = child.path()});
    } else {
      log::warning("[model_store] {} is passed over: it holds neither serving.properties nor config.json",
                   child.path().string());
    }
  }
  std::sort(entries.begin(), entries.end(), [](const ModelEntry& a, const ModelEntry& b) { return a.name < b.name; });
  return entries;
}

}  // namespace ganglion::server
