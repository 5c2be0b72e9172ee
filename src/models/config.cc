#include "models/config.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "models/config_reader.h"
#include "models/registry.h"

namespace ganglion::models {
namespace {

Config read(const nlohmann::json& json, const std::string& place) {
  const ConfigReader reader(json, place);
  const std::string model_type = reader.text("model_type", "");
  if (model_type.empty()) {
    fail(Code::kInvalidArgument, "[{}] model_type is missing; it names the family, such as \"opt\"", place);
  }
  Config config = find_family(model_type).read(reader);
  config.model_type = model_type;
  reader.refuse_unread();
  return config;
}

}  // namespace

Config read_config(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  return read(read_json(path, {.bytes = 1u << 20}), path.string());
}

Config parse_config(const std::string& json_text, const std::string& place) {
  return read(parse_json(json_text, place, {.bytes = 1u << 20}), place);
}

std::vector<std::int32_t> Config::eos_ids() const {
  std::vector<std::int32_t> ids;
  if (eos >= 0) ids.push_back(static_cast<std::int32_t>(eos));
  for (const std::int64_t id : more_eos) ids.push_back(static_cast<std::int32_t>(id));
  return ids;
}

Config published_shape(const std::string& name) {
  for (const Family& family : families()) {
    for (const PublishedShape& shape : family.published_shapes()) {
      if (shape.name == name) return shape.config;
    }
  }
  fail(Code::kNotFound, "[shape] no published shape is called \"{}\"; there are {}", name,
       fmt::join(published_shapes(), ", "));
}

std::vector<std::string> published_shapes() {
  std::vector<std::string> names;
  for (const Family& family : families()) {
    for (const PublishedShape& shape : family.published_shapes()) names.push_back(shape.name);
  }
  return names;
}

}  // namespace ganglion::models
