// Which models to serve, as DJL's -m, load_models and model store say it: [name[:version[:engine[:devices]]]=]url.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace ganglion::server {

struct ModelEntry {
  std::string name;
  std::string version;  // "" when not given
  std::string engine;   // "" when not given
  std::string devices;  // "" when not given
  std::filesystem::path folder;
};

// One entry of the list; relative paths start from `base`. A name that is not given is the folder's, with '_' for what
// is not a letter, digit or '_'. Errors: kNotFound when there is no such folder, kUnsupported for other URL schemes and
// for archives, by name, kInvalidArgument for a malformed entry.
ModelEntry parse_model_entry(std::string_view text, const std::filesystem::path& base);

// Every model of a store: the store itself when it holds serving.properties or config.json, else each folder in it that
// does, by name. Hidden folders and files are passed over; other folders are named in the log. Errors: kNotFound when
// the store is not a folder.
std::vector<ModelEntry> list_store(const std::filesystem::path& store);

}  // namespace ganglion::server
