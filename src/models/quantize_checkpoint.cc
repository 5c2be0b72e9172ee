#include "models/quantize_checkpoint.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/quantize.h"
#include "checkpoint/store.h"
#include "checkpoint/write.h"
#include "models/registry.h"

namespace ganglion::models {
namespace {

namespace fs = std::filesystem;

// What all tensors of one run report to.
struct Progress {
  const QuantizeOptions& options;
  std::uint64_t done = 0;
  std::uint64_t all = 0;
  void add(std::uint64_t bytes) {
    done += bytes;
    if (options.progress) options.progress(done, all);
  }
};

std::uint64_t bytes_of_rows(const TensorSource& source, std::int64_t rows) {
  const Dims& dims = source.dims();
  std::uint64_t bytes = static_cast<std::uint64_t>(rows) * dtype_size(source.dtype());
  for (std::size_t i = 1; i < dims.size(); ++i) bytes *= static_cast<std::uint64_t>(dims[i]);
  return bytes;
}

class Copied final : public TensorSource {
 public:
  Copied(std::shared_ptr<const TensorSource> source, Progress& progress)
      : source_(std::move(source)), progress_(progress) {}
  DType dtype() const override { return source_->dtype(); }
  const Dims& dims() const override { return source_->dims(); }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    source_->read_rows(begin, end, out);
    progress_.add(bytes_of_rows(*source_, end - begin));
  }

 private:
  std::shared_ptr<const TensorSource> source_;
  Progress& progress_;
};

// A matrix read once, for its numbers, which are written first: scales and errors are kept from then.
struct Once {
  checkpoint::Quantizer quantizer;
  Progress& progress;
  std::string name;
  Tensor scales = Tensor(quantizer.scale_type(), quantizer.scale_dims());
  checkpoint::SquaredError error = {};
};

class NumbersOnce final : public TensorSource {
 public:
  explicit NumbersOnce(std::shared_ptr<Once> once) : once_(std::move(once)) {}
  DType dtype() const override { return once_->quantizer.type(); }
  const Dims& dims() const override { return once_->quantizer.matrix().dims(); }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    const auto row = static_cast<std::int64_t>(once_->scales.bytes()) / std::max<std::int64_t>(1, dims()[0]);
    once_->quantizer.read(begin, end, reinterpret_cast<std::int8_t*>(out), once_->scales.data() + begin * row,
                          &once_->error);
    once_->progress.add(bytes_of_rows(once_->quantizer.matrix(), end - begin));
  }

 private:
  std::shared_ptr<Once> once_;
};

class ScalesOnce final : public TensorSource {
 public:
  explicit ScalesOnce(std::shared_ptr<Once> once) : once_(std::move(once)) {}
  DType dtype() const override { return once_->scales.dtype(); }
  const Dims& dims() const override { return once_->scales.dims(); }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    const auto row = static_cast<std::int64_t>(once_->scales.bytes()) / std::max<std::int64_t>(1, dims()[0]);
    std::copy_n(once_->scales.data() + begin * row, (end - begin) * row, out);
  }

 private:
  std::shared_ptr<Once> once_;
};

// Everything beside the weights, whatever it is called.
void copy_other_files(const fs::path& from, const fs::path& to) {
  constexpr const char* kWeights[] = {".safetensors", ".bin", ".index.json", ".pt", ".pth", ".h5", ".msgpack", ".onnx"};
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    const bool weights = std::any_of(std::begin(kWeights), std::end(kWeights),
                                     [&](const char* ending) { return name.ends_with(ending); });
    if (weights || name == "config.json" || !entry.is_regular_file()) continue;
    fs::copy_file(entry.path(), to / name);
  }
}

void write_config(const fs::path& from, const fs::path& to, const QuantizeOptions& options,
                  const std::vector<std::string>& in_s8, const std::vector<std::string>& kept) {
  auto config = nlohmann::ordered_json::parse(read_text(from / "config.json", 1u << 20));
  nlohmann::ordered_json quantization = {{"quant_method", "ganglion"}, {"bits", options.to == DType::kS8 ? 8 : 4}};
  if (options.to == DType::kS4) {
    quantization["group_size"] = options.group;
    quantization["modules_in_8_bits"] = in_s8;
  }
  quantization["modules_not_converted"] = kept;
  config["quantization_config"] = quantization;
  std::ofstream stream(to / "config.json", std::ios::binary);
  stream << config.dump(2) << '\n';
  stream.close();
  if (!stream) fail(Code::kInvalidArgument, "[quantize] {} cannot be written", (to / "config.json").string());
}

// A folder that goes away again unless it becomes the one wanted.
class Unfinished {
 public:
  explicit Unfinished(const fs::path& target)
      : target_(target), path_(target.string() + ".unfinished-" + std::to_string(::getpid())) {
    std::error_code error;
    if (fs::exists(target_, error) && !(fs::is_directory(target_, error) && fs::is_empty(target_, error))) {
      fail(Code::kInvalidArgument, "[quantize] {} is there already; name a folder that is not, with --out",
           target_.string());
    }
    if (!fs::create_directories(path_, error)) {
      fail(Code::kInvalidArgument, "[quantize] {} cannot be made: {}", path_.string(), error.message());
    }
  }
  ~Unfinished() {
    std::error_code ignored;
    if (!done_) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }
  void finish() {
    std::error_code error;
    fs::rename(path_, target_, error);  // over an empty folder, too
    if (error) fail(Code::kInvalidArgument, "[quantize] {} cannot be made: {}", target_.string(), error.message());
    done_ = true;
  }

 private:
  fs::path target_, path_;
  bool done_ = false;
};

}  // namespace

QuantizeReport quantize_checkpoint(const fs::path& folder, const fs::path& out, const QuantizeOptions& options) {
  const Config config = read_config(folder);
  if (config.quantization) {
    fail(Code::kInvalidArgument, "[quantize] {} is in {} already; quantize the checkpoint it was made from",
         folder.string(), dtype_name(config.quantization->storage));
  }
  const Family& family = find_family(config.model_type);
  const checkpoint::Store store = checkpoint::Store::open(folder);
  std::set<std::string> used;
  const WeightFinder in_checkpoint = checkpoint_weights(store, family.optional_prefixes);
  const WeightFinder finder = [&](const std::string& name, const Dims& dims) {
    used.insert(stored_name(store, name, family.optional_prefixes));
    return in_checkpoint(name, dims);
  };
  StepOptions step_options;
  step_options.types.storage = options.to;
  step_options.types.group = options.group;
  const Step step = family.build(config, step_options, finder);

  QuantizeReport report;
  Progress progress{options};
  std::map<std::string, nn::DeclaredMatrix> declared;
  for (const nn::DeclaredMatrix& matrix : step.matrices) {
    declared[stored_name(store, matrix.name, family.optional_prefixes)] = matrix;
  }
  std::vector<checkpoint::NamedTensor> tensors;
  std::vector<std::shared_ptr<Once>> matrices;
  std::vector<std::string> in_s8, kept;
  for (const std::string& name : store.names()) {
    if (used.count(name) == 0) {
      ++report.left_out;
      continue;
    }
    std::shared_ptr<const TensorSource> source = store.source(name);
    progress.all += bytes_of_rows(*source, source->dims().empty() ? 1 : source->dims()[0]);
    const auto matrix = declared.find(name);
    if (matrix == declared.end() || is_float(matrix->second.type)) {
      ++report.kept;
      if (matrix != declared.end()) kept.push_back(name);
      tensors.push_back({name, std::make_shared<Copied>(std::move(source), progress)});
      continue;
    }
    if (matrix->second.transposed) source = transposed_source(std::move(source));
    const bool four = matrix->second.type == DType::kS4;
    ++(four ? report.in_s4 : report.in_s8);
    if (!four) in_s8.push_back(name);
    matrices.push_back(std::make_shared<Once>(
        Once{checkpoint::Quantizer(std::move(source), matrix->second.type, options.group, name), progress, name}));
    std::shared_ptr<const TensorSource> numbers = std::make_shared<NumbersOnce>(matrices.back());
    tensors.push_back({name, four ? checkpoint::pairs_of(std::move(numbers)) : std::move(numbers)});
    tensors.push_back({name + "_scale", std::make_shared<ScalesOnce>(matrices.back())});
  }
  report.bytes_before = store.bytes();
  for (const checkpoint::NamedTensor& tensor : tensors) {
    report.bytes_after += bytes_of_rows(*tensor.source, tensor.source->dims().empty() ? 1 : tensor.source->dims()[0]);
  }

  Unfinished unfinished(out);
  checkpoint::write_safetensors(unfinished.path() / "model.safetensors", tensors, {{"format", "pt"}});
  write_config(folder, unfinished.path(), options, in_s8, kept);
  copy_other_files(folder, unfinished.path());
  unfinished.finish();

  for (const auto& matrix : matrices) {
    const double error = matrix->error.whole > 0 ? std::sqrt(matrix->error.error / matrix->error.whole) : 0;
    if (error < report.largest_error) continue;
    report.largest_error = error;
    report.largest_error_at = matrix->name;
  }
  return report;
}

}  // namespace ganglion::models
