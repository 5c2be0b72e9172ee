#include "checkpoint/split_folder.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/quoted.h"
#include "checkpoint/random_source.h"
#include "checkpoint/within_folder.h"
#include "checkpoint/write_torch.h"

namespace ganglion::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostTensors = std::size_t{1} << 18;

class SplitSource final : public TensorSource {
 public:
  explicit SplitSource(fs::path path) : path_(std::move(path)) {
    const auto source = open_torch_tensor(path_);
    dtype_ = source->dtype();
    dims_ = source->dims();
  }
  DType dtype() const override { return dtype_; }
  const Dims& dims() const override { return dims_; }

  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    const auto source = open_torch_tensor(path_);
    if (source->dtype() != dtype_ || source->dims() != dims_) {
      fail(Code::kDataCorrupt, "[checkpoint] {} holds {} now, and {} when it was opened", path_.string(),
           shape_text(source->dtype(), source->dims()), shape_text(dtype_, dims_));
    }
    source->read_rows(begin, end, out);
  }

 private:
  const fs::path path_;
  DType dtype_ = DType::kF32;
  Dims dims_;
};

// FNV-1a: a weight's numbers depend on its name.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325u;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return value;
}

// {"torch_dtype": "float16", "shape": [50272, 5120], "init_std": 0.02}: normal numbers of that deviation.
std::shared_ptr<const TensorSource> random_tensor(const fs::path& path, const std::string& name) {
  const nlohmann::json json = read_json(path, {.bytes = 1 << 16, .refuse_duplicates = true});
  const auto bad = [&](const char* key, const char* wanted) {
    fail(Code::kDataCorrupt, "[checkpoint] {}: {} is not {}", path.string(), key, wanted);
  };
  if (!json.is_object()) bad("the file", "an object");
  const auto dtype = json.find("torch_dtype");
  if (dtype == json.end() || !dtype->is_string()) bad("torch_dtype", "the name of a type");
  const auto type_name = dtype->get<std::string>();
  std::optional<DType> type;
  for (const auto& [known, is] :
       {std::pair{"float32", DType::kF32}, std::pair{"float16", DType::kF16}, std::pair{"bfloat16", DType::kBF16}}) {
    if (type_name == known || type_name == std::string("torch.") + known) type = is;
  }
  if (!type) {
    fail(Code::kUnsupported, "[checkpoint] {}: torch_dtype={}; float32, float16 and bfloat16 are supported",
         path.string(), in_quotes(type_name));
  }
  const auto shape = json.find("shape");
  if (shape == json.end() || !shape->is_array()) bad("shape", "an array of sizes");
  Dims dims;
  for (const auto& size : *shape) {
    if (!size.is_number_unsigned() || size.get<std::uint64_t>() > (std::uint64_t{1} << 32))
      bad("shape", "an array of sizes");
    dims.push_back(size.get<std::int64_t>());
  }
  try {
    element_count(dims);
  } catch (const Error&) {
    bad("shape", "one of at most 2^62 elements");
  }
  const auto deviation = json.find("init_std");
  if (deviation == json.end() || !deviation->is_number() || deviation->get<double>() < 0) {
    bad("init_std", "a number of 0 or more");
  }
  return random_source(*type, std::move(dims), deviation->get<double>(), hash(name));
}

// The letters of a weight's name that may be in a file's, as sanitize_file_name of transformers-neuronx keeps them.
std::string file_name_of(std::size_t index, const std::string& weight) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  const auto first = std::find_if_not(weight.begin(), weight.end(), is_space);
  const auto last = std::find_if_not(weight.rbegin(), std::make_reverse_iterator(first), is_space).base();
  std::string out;
  for (auto c = first; c != last; ++c) {
    const auto byte = static_cast<unsigned char>(*c);
    if (*c == ' ') {
      out += '_';
    } else if (byte >= 0x80 || std::isalnum(byte) != 0 || *c == '-' || *c == '_' || *c == '.') {
      out += *c;
    }
  }
  if (out.empty() || out == "." || out == "..") {
    fail(Code::kInvalidArgument, "[checkpoint] the weight {} cannot be the name of a file", in_quotes(weight));
  }
  return "p" + std::to_string(index) + "." + out;
}

// Deletes the folder unless it was put in its place.
class UnfinishedFolder {
 public:
  explicit UnfinishedFolder(fs::path path) : path_(std::move(path)) {
    fs::remove_all(path_, error_);
    if (!error_) fs::create_directory(path_, error_);
    check(path_);
  }
  ~UnfinishedFolder() {
    std::error_code ignored;
    if (!done_) fs::remove_all(path_, ignored);
  }
  UnfinishedFolder(const UnfinishedFolder&) = delete;
  void becomes(const fs::path& target) {
    fs::remove_all(target, error_);
    if (!error_) fs::rename(path_, target, error_);
    check(target);
    done_ = true;
  }

 private:
  void check(const fs::path& path) const {
    if (!error_) return;
    fail(Code::kInvalidArgument, "[checkpoint] {} cannot be written: {}", path.string(), error_.message());
  }

  const fs::path path_;
  std::error_code error_;
  bool done_ = false;
};

}  // namespace

void write_split(const fs::path& folder, const std::vector<NamedTensor>& tensors,
                 const std::function<void(std::uint64_t)>& written) {
  nlohmann::ordered_json index = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = tensors[i].name;
    if (index.contains(name) || !is_utf8(name)) {
      fail(Code::kInvalidArgument, "[checkpoint] the weight {} comes twice or is not UTF-8", in_quotes(name));
    }
    index[name] = file_name_of(i, name);
  }
  const fs::path path = folder / kSplitUnfinished;
  UnfinishedFolder unfinished(path);
  for (const NamedTensor& tensor : tensors) {
    write_torch_tensor(path / index[tensor.name].get<std::string>(), *tensor.source, written);
  }
  std::ofstream out(path / kSplitIndex);
  out << index.dump(2);
  out.close();
  if (!out) {
    fail(Code::kInvalidArgument, "[checkpoint] {} cannot be written; is there room?", (path / kSplitIndex).string());
  }
  unfinished.becomes(folder / kSplitFolder);
}

Sources open_split(const fs::path& folder) {
  const fs::path index_path = folder / kSplitIndex;
  std::error_code ignored;
  if (!fs::exists(index_path, ignored)) {
    fail(Code::kNotFound,
         "[checkpoint] {} is not there, which says what the files of the folder are: was it cut short?",
         index_path.string());
  }
  const nlohmann::json index = read_json(index_path, {.refuse_duplicates = true});
  if (!index.is_object() || index.size() > kMostTensors) {
    fail(Code::kDataCorrupt, "[checkpoint] {} is no map of up to {} weights to files", index_path.string(),
         kMostTensors);
  }
  Sources out;
  for (const auto& [name, file] : index.items()) {
    if (!file.is_string()) {
      fail(Code::kDataCorrupt, "[checkpoint] {}: the file of {} is {}; a name wanted", index_path.string(),
           in_quotes(name), file.type_name());
    }
    const auto file_name = file.get<std::string>();
    const auto path = file_within(folder, file_name, kSplitIndex);
    if (!path) {
      fail(Code::kNotFound, "[checkpoint] {} names {}, which is not there; was the folder copied whole?",
           index_path.string(), in_quotes(file_name));
    }
    if (file_name.ends_with(".empty_json")) {
      out.emplace(name, random_tensor(*path, name));
    } else {
      out.emplace(name, std::make_shared<SplitSource>(*path));
    }
  }
  return out;
}

}  // namespace ganglion::checkpoint
