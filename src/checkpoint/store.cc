#include "checkpoint/store.h"

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/quoted.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/split_folder.h"
#include "checkpoint/within_folder.h"

namespace ganglion::checkpoint {
namespace {

namespace fs = std::filesystem;

// A form of a checkpoint: all in one file, or in shards that an index names.
struct Form {
  const char* single;
  const char* index;
  Sources (*open)(const fs::path&);
  bool strict;  // every weight of a shard must be in the index; else, as in Python, the index is not all there is
};

Sources open_safetensors(const fs::path& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  Sources out;
  for (const std::string& name : file.names()) out.emplace(name, file.source(name));
  return out;
}

constexpr Form kSafetensors = {"model.safetensors", "model.safetensors.index.json", open_safetensors, true};
constexpr Form kTorch = {"pytorch_model.bin", "pytorch_model.bin.index.json", open_torch, false};
constexpr std::size_t kMostShards = 4096;  // each keeps a descriptor open

// What else a folder may hold, to say what to do about it.
[[noreturn]] void fail_without_weights(const fs::path& folder) {
  constexpr std::array<std::pair<const char*, const char*>, 4> kOthers = {
      {{"consolidated.", "Meta's own form of Llama: convert it with transformers' convert_llama_weights_to_hf.py"},
       {"tf_model.h5", "TensorFlow's"},
       {"flax_model.msgpack", "Flax's"},
       {"model.ckpt.index", "TensorFlow's"}}};
  std::error_code error;
  if (fs::exists(folder / kSplitUnfinished, error)) {
    fail(Code::kNotFound, "[checkpoint] {} holds no weights but {}, of a split that was cut short: split again",
         folder.string(), kSplitUnfinished);
  }
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    for (const auto& [other, whose] : kOthers) {
      if (!name.starts_with(other)) continue;
      if (name.starts_with("consolidated.")) {
        fail(Code::kUnsupported, "[checkpoint] {} is of a form that is not read, {}", entry.path().string(), whose);
      }
      fail(Code::kUnsupported,
           "[checkpoint] {} is of a form that is not read, {}: convert it, in Python with "
           "AutoModelForCausalLM.from_pretrained(\"{}\", from_tf=True or from_flax=True).save_pretrained(\"{}\")",
           entry.path().string(), whose, folder.string(), folder.string());
    }
  }
  fail(Code::kNotFound, "[checkpoint] {} holds no weights: {}, {} or their {} or {} wanted", folder.string(),
       kSafetensors.single, kTorch.single, kSafetensors.index, kTorch.index);
}

// The index's weights and the shard of each, as the file says.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const nlohmann::json index = read_json(path, {.refuse_duplicates = true});
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object() ||
      index["weight_map"].empty()) {
    fail(Code::kDataCorrupt, "[checkpoint] {} has no weight_map from weights to files", path.string());
  }
  std::map<std::string, std::string> out;
  for (const auto& [weight, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) {
      fail(Code::kDataCorrupt, "[checkpoint] {}: the file of \"{}\" is {}; a name wanted", path.string(), weight,
           shard.type_name());
    }
    out.emplace(weight, shard.get<std::string>());
  }
  return out;
}

struct Opened {
  Sources weights;
  std::vector<fs::path> files;
};

Opened open_sharded(const fs::path& folder, const fs::path& index_path, const Form& form) {
  const auto shard_of = read_index(index_path);
  std::map<std::string, fs::path> shards;
  for (const auto& [weight, shard] : shard_of) shards.emplace(shard, "");
  if (shards.size() > kMostShards) {
    fail(Code::kUnsupported, "[checkpoint] {} names {} files; at most {} are read", index_path.string(), shards.size(),
         kMostShards);
  }
  // All are looked for before the first is opened, so that the message about a half-finished download comes at once.
  for (auto& [shard, path] : shards) {
    const auto found = file_within(folder, shard, form.index);
    if (!found) {
      fail(Code::kNotFound, "[checkpoint] {} names {}, which is not there; was the download cut short?",
           index_path.string(), shard);
    }
    path = *found;
  }
  Opened out;
  for (const auto& [shard, path] : shards) {
    for (auto& [name, source] : form.open(path)) {
      const auto known = shard_of.find(name);
      const bool is_listed = known != shard_of.end();
      if (is_listed ? known->second != shard : form.strict || out.weights.contains(name)) {
        fail(Code::kDataCorrupt, "[checkpoint] {} holds {}, which {} {}", path.string(), in_quotes(name),
             index_path.string(), is_listed ? "gives another file for" : "does not list");
      }
      out.weights.emplace(name, std::move(source));
    }
    out.files.push_back(path);
  }
  for (const auto& [weight, shard] : shard_of) {
    if (!out.weights.contains(weight)) {
      fail(Code::kDataCorrupt, "[checkpoint] {} says that {} is in {}, but it is not", index_path.string(),
           in_quotes(weight), shard);
    }
  }
  return out;
}

// In the order of transformers-neuronx.
Opened open_any(const fs::path& folder) {
  for (const Form& form : {kSafetensors, kTorch}) {
    if (const auto single = file_within(folder, form.single, "")) {
      if (fs::is_directory(*single)) return {open_split(*single), {*single}};
      return {form.open(*single), {*single}};
    }
    if (const auto index = file_within(folder, form.index, "")) return open_sharded(folder, *index, form);
  }
  fail_without_weights(folder);
}

}  // namespace

Store Store::open(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    fail(Code::kNotFound, "[checkpoint] {} is not a folder; give the folder of a model", folder.string());
  }
  Store store(folder);
  Opened opened = open_any(folder);
  store.weights_ = std::move(opened.weights);
  store.files_ = std::move(opened.files);
  if (store.weights_.empty()) fail(Code::kDataCorrupt, "[checkpoint] {} holds no weight", store.files_[0].string());
  for (const auto& [name, source] : store.weights_) {
    const auto bytes = static_cast<std::uint64_t>(element_count(source->dims())) * dtype_size(source->dtype());
    if (__builtin_add_overflow(store.bytes_, bytes, &store.bytes_)) {
      fail(Code::kDataCorrupt, "[checkpoint] {}: its weights have 2^64 bytes", folder.string());
    }
  }
  return store;
}

const TensorSource* Store::find(std::string_view name) const {
  const auto found = weights_.find(name);
  return found == weights_.end() ? nullptr : found->second.get();
}

std::shared_ptr<const TensorSource> Store::source(std::string_view name) const {
  const auto found = weights_.find(name);
  if (found == weights_.end()) {
    fail(Code::kNotFound, "[checkpoint] {} has no weight \"{}\" among its {}; the first is \"{}\"", folder_.string(),
         name, weights_.size(), weights_.begin()->first);
  }
  return found->second;
}

std::vector<std::string> Store::names() const {
  std::vector<std::string> out;
  for (const auto& [name, source] : weights_) out.push_back(name);
  return out;
}

}  // namespace ganglion::checkpoint
