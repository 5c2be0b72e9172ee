#include "checkpoint/store.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace ganglion::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::size_t kMostShards = 4096;  // each keeps a descriptor open

bool is_within(const fs::path& path, const fs::path& folder) {
  const auto [in_folder, in_path] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return in_folder == folder.end();
}

// The file of that name in the folder, with links followed; nullopt when there is none.
std::optional<fs::path> file_within(const fs::path& folder, const std::string& name) {
  const bool plain = !name.empty() && name[0] != '/' &&
                     std::none_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; });
  const fs::path relative = plain ? name : "";
  if (!plain || std::find(relative.begin(), relative.end(), "..") != relative.end()) {
    fail(Code::kInvalidArgument, "[checkpoint] {}: the shard {} lies outside the folder; name files within it",
         (folder / kIndex).string(), nlohmann::json(name).dump());
  }
  std::error_code error;
  const fs::path root = fs::canonical(folder, error);
  const fs::path target = fs::canonical(folder / relative, error);
  if (error) return std::nullopt;
  // The Hugging Face cache keeps a model's files in blobs/ and gives them their names by links in snapshots/COMMIT/.
  const bool snapshot = root.parent_path().filename() == "snapshots";
  const fs::path blobs = snapshot ? root.parent_path().parent_path() / "blobs" : root;
  if (!is_within(target, root) && !is_within(target, blobs)) {
    fail(Code::kInvalidArgument,
         "[checkpoint] {} is a link to {}, outside the model's folder; copy the file into the folder",
         (folder / relative).string(), target.string());
  }
  return target;
}

// What else a folder without safetensors may hold, to say what to do about it.
[[noreturn]] void fail_without_weights(const fs::path& folder) {
  constexpr std::array<const char*, 5> kOthers = {"pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5",
                                                  "flax_model.msgpack", "model.ckpt.index"};
  for (const char* other : kOthers) {
    std::error_code error;
    if (fs::exists(folder / other, error)) {
      fail(Code::kUnsupported,
           "[checkpoint] {} is not a format that is read: convert it to safetensors, in Python with "
           "AutoModelForCausalLM.from_pretrained(\"{}\").save_pretrained(\"{}\", safe_serialization=True)",
           (folder / other).string(), folder.string(), folder.string());
    }
  }
  fail(Code::kNotFound, "[checkpoint] {} holds neither {} nor {}", folder.string(), kSingle, kIndex);
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

}  // namespace

Store Store::open(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    fail(Code::kNotFound, "[checkpoint] {} is not a folder; give the folder of a model", folder.string());
  }
  Store store(folder);
  if (const auto single = file_within(folder, kSingle)) {
    store.open_single(*single);
  } else if (const auto index = file_within(folder, kIndex)) {
    store.open_sharded(*index);
  } else {
    fail_without_weights(folder);
  }
  for (const auto& file : store.files_) {
    for (const auto& [name, tensor] : file.header().tensors) store.bytes_ += tensor.bytes;
  }
  return store;
}

void Store::open_single(const fs::path& path) {
  files_.push_back(SafetensorsFile::open(path));
  for (const std::string& name : files_[0].names()) file_of_.emplace(name, 0);
  if (file_of_.empty()) fail(Code::kDataCorrupt, "[checkpoint] {} holds no weight", path.string());
}

void Store::open_sharded(const fs::path& index_path) {
  const auto shard_of = read_index(index_path);
  std::map<std::string, std::size_t> shards;  // name to index in files_
  for (const auto& [weight, shard] : shard_of) shards.emplace(shard, 0);
  if (shards.size() > kMostShards) {
    fail(Code::kUnsupported, "[checkpoint] {} names {} files; at most {} are read", index_path.string(), shards.size(),
         kMostShards);
  }
  // All are looked for before the first is opened, so that the message about a half-finished download comes at once.
  std::vector<fs::path> paths;
  for (auto& [shard, i] : shards) {
    const auto path = file_within(folder_, shard);
    if (!path) {
      fail(Code::kNotFound, "[checkpoint] {} names {}, which is not there; was the download cut short?",
           index_path.string(), shard);
    }
    i = paths.size();
    paths.push_back(*path);
  }
  for (const fs::path& path : paths) files_.push_back(SafetensorsFile::open(path));

  for (const auto& [weight, shard] : shard_of) {
    const std::size_t i = shards.at(shard);
    if (files_[i].find(weight) == nullptr) {
      fail(Code::kDataCorrupt, "[checkpoint] {} says that \"{}\" is in {}, but it is not", index_path.string(), weight,
           shard);
    }
    file_of_.emplace(weight, i);
  }
  for (const auto& [shard, i] : shards) {
    for (const std::string& name : files_[i].names()) {
      const auto known = shard_of.find(name);
      if (known == shard_of.end() || known->second != shard) {
        fail(Code::kDataCorrupt, "[checkpoint] {} holds \"{}\", which {} {}", (folder_ / shard).string(), name,
             index_path.string(), known == shard_of.end() ? "does not list" : "gives another file for");
      }
    }
  }
}

const TensorEntry* Store::find(std::string_view name) const {
  const auto found = file_of_.find(name);
  return found == file_of_.end() ? nullptr : files_[found->second].find(name);
}

std::shared_ptr<const TensorSource> Store::source(std::string_view name) const {
  const auto found = file_of_.find(name);
  if (found == file_of_.end()) {
    fail(Code::kNotFound, "[checkpoint] {} has no weight \"{}\" among its {}; the first is \"{}\"", folder_.string(),
         name, file_of_.size(), file_of_.begin()->first);
  }
  return files_[found->second].source(name);
}

std::vector<std::string> Store::names() const {
  std::vector<std::string> out;
  for (const auto& [name, file] : file_of_) out.push_back(name);
  return out;
}

std::vector<fs::path> Store::files() const {
  std::vector<fs::path> out;
  for (const auto& file : files_) out.push_back(file.path());
  return out;
}

}  // namespace ganglion::checkpoint
