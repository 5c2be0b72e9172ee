#include "hub/file_choice.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json.h"

namespace ganglion::hub {
namespace {

// Endings of the small files in the model's own folder: DJL's and transformers' allow lists without code.
constexpr std::array kSmall = {".json", ".txt", ".model", ".jinja", ".tiktoken"};
// In order of preference, as transformers has it.
constexpr std::array kWeights = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                 "pytorch_model.bin.index.json"};
constexpr std::string_view kSplitFolder = "pytorch_model.bin/";  // as save_pretrained_split writes it
constexpr std::array kOthers = {".h5", ".msgpack", ".onnx", ".ot", ".gguf", ".tflite", ".pt", ".pth", ".ckpt", ".npz"};

bool ends_with_one(std::string_view name, const auto& endings) {
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return name.ends_with(ending); });
}

[[noreturn]] void no_weights(const std::vector<std::string>& names, std::string_view place) {
  std::string others;
  int count = 0;
  for (const std::string& name : names) {
    if (!ends_with_one(name, kOthers) && !name.ends_with(".safetensors") && !name.ends_with(".bin")) continue;
    if (count++ < 5) others += (others.empty() ? "" : ", ") + name;
  }
  fail(Code::kNotFound,
       "[{}] no weights that can be read: wanted model.safetensors, pytorch_model.bin or an index of shards; there is "
       "{}",
       place, others.empty() ? "nothing like it" : others);
}

}  // namespace

void check_file_name(std::string_view name, std::string_view place) {
  bool good =
      !name.empty() && name.size() <= 1024 && std::count(name.begin(), name.end(), '/') < 16 &&
      std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F || c == '\\'; });
  for (std::size_t at = 0; good && at <= name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    const std::string_view part = name.substr(at, end - at);
    good = !part.empty() && part != "." && part != ".." && part.size() <= 255;
    at = end + 1;
  }
  if (good) return;
  std::string shown(name.substr(0, 100));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  fail(Code::kDataCorrupt, "[{}] file name '{}': wanted a relative path without '..'", place, shown);
}

FileChoice choose_files(const std::vector<std::string>& names, std::string_view place) {
  const std::set<std::string_view> all(names.begin(), names.end());
  if (!all.contains("config.json")) {
    fail(Code::kNotFound, "[{}] there is no config.json: not the checkpoint of a model that transformers knows", place);
  }
  FileChoice choice;
  for (const std::string& name : names) {
    const bool of_weights = name.ends_with(".index.json") || name.find(".msgpack") != std::string::npos;
    if (name.find('/') == std::string::npos && ends_with_one(name, kSmall) && !of_weights) choice.files.push_back(name);
  }
  const auto weights =
      std::find_if(kWeights.begin(), kWeights.end(), [&](const char* name) { return all.contains(name); });
  if (weights != kWeights.end()) {
    choice.files.emplace_back(*weights);
    if (std::string_view(*weights).ends_with(".index.json")) choice.index = *weights;
  } else {
    const std::size_t before = choice.files.size();
    std::copy_if(names.begin(), names.end(), std::back_inserter(choice.files),
                 [](const std::string& name) { return name.starts_with(kSplitFolder); });
    if (choice.files.size() == before) no_weights(names, place);
  }
  for (const std::string& name : choice.files) check_file_name(name, place);
  std::sort(choice.files.begin(), choice.files.end());
  choice.files.erase(std::unique(choice.files.begin(), choice.files.end()), choice.files.end());
  return choice;
}

std::vector<std::string> shards_of_index(std::string_view json, std::string_view place) {
  const nlohmann::json index = parse_json(json, place);
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (map == index.end() || !map->is_object() || map->empty()) {
    fail(Code::kDataCorrupt, "[{}] wanted an object with a weight_map that names the shard of each weight", place);
  }
  std::set<std::string> shards;
  for (const auto& [weight, shard] : map->items()) {
    if (!shard.is_string()) fail(Code::kDataCorrupt, "[{}] weight_map: the shard of '{}' is not a name", place, weight);
    const auto& name = shard.get_ref<const std::string&>();
    if (shards.insert(name).second) check_file_name(name, place);
    if (shards.size() > kMostFiles) fail(Code::kDataCorrupt, "[{}] more than {} shards", place, kMostFiles);
  }
  return {shards.begin(), shards.end()};
}

}  // namespace ganglion::hub
