// Which models to serve, as DJL's -m, load_models and model store say it: [name[:version[:engine[:devices]]]=]url.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "hub/source.h"

namespace ganglion::server {

struct ModelEntry {
  std::string name;
  std::string version;  // "" when not given
  std::string engine;   // "" when not given
  std::string devices;  // "" when not given
  // With serving.properties, or config.json and no properties; "" until what comes from elsewhere is brought here.
  std::filesystem::path folder;
  hub::Source source = {};  // of what comes from elsewhere
};

// One entry of the list; its url is whatever hub::parse_source takes, with relative paths from `base`. Nothing is
// fetched yet. A name that is not given is the last part of the url without an archive's ending, with '_' for what is
// not a letter, digit or '_'. Errors: as parse_source; kInvalidArgument for a malformed entry.
ModelEntry parse_model_entry(std::string_view text, const std::filesystem::path& base);

// Every model of a store: the store itself when it holds serving.properties or config.json, else each folder in it that
// does, by name. Hidden folders and files are passed over; other folders are named in the log. Errors: kNotFound when
// the store is not a folder.
std::vector<ModelEntry> list_store(const std::filesystem::path& store);

}  // namespace ganglion::server
