#include "models/config.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "models/config_reader.h"
#include "models/registry.h"

namespace ganglion::models {
namespace {

// What `ganglion quantize` writes (quantize_checkpoint.cc); other methods keep their numbers otherwise.
std::optional<Quantization> read_quantization(const nlohmann::json& json, const std::string& place) {
  const auto found = json.find("quantization_config");
  if (found == json.end() || found->is_null()) return std::nullopt;
  const std::string own = place + ": quantization_config";
  const ConfigReader reader(*found, own);
  const std::string method = reader.text("quant_method", "");
  if (method != "ganglion") {
    fail(Code::kUnsupported,
         "[{}] quant_method=\"{}\" is not read; use the checkpoint it was made from, and `ganglion quantize` or "
         "--dtype s8 or s4",
         own, method);
  }
  Quantization out;
  const std::int64_t bits = reader.integer("bits", 1, 64);
  if (bits != 8 && bits != 4) fail(Code::kUnsupported, "[{}] bits={}: 8 or 4 is wanted", own, bits);
  out.storage = bits == 8 ? DType::kS8 : DType::kS4;
  if (bits == 4) out.group = reader.integer("group_size", 1, 1 << 20);
  if (out.group != 32 && out.group != 64 && out.group != 128) {
    fail(Code::kUnsupported, "[{}] group_size={}: 32, 64 or 128 is wanted", own, out.group);
  }
  return out;
}

Config read(const nlohmann::json& json, const std::string& place) {
  const ConfigReader reader(json, place);
  const std::string model_type = reader.text("model_type", "");
  if (model_type.empty()) {
    fail(Code::kInvalidArgument, "[{}] model_type is missing; it names the family, such as \"opt\"", place);
  }
  Config config = find_family(model_type).read(reader);
  config.model_type = model_type;
  config.quantization = read_quantization(json, place);
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
