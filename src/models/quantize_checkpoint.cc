#include "models/quantize_checkpoint.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <deque>
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

std::uint64_t bytes_of_rows(const TensorSource& source, std::int64_t rows) {
  const Dims& dims = source.dims();
  std::uint64_t bytes = static_cast<std::uint64_t>(rows) * dtype_size(source.dtype());
  for (std::size_t i = 1; i < dims.size(); ++i) bytes *= static_cast<std::uint64_t>(dims[i]);
  return bytes;
}

std::int64_t row_count(const TensorSource& source) { return source.dims().empty() ? 1 : source.dims()[0]; }

// What all tensors of one run report to, on the thread that writes.
struct Progress {
  const QuantizeOptions& options;
  std::uint64_t done = 0;
  std::uint64_t all = 0;
  void add(std::uint64_t bytes) {
    done += bytes;
    if (options.progress) options.progress(done, all);
  }
};

// Rows of a tensor to write, read by all threads; `old_row_bytes` is what a row of it stands for in the old checkpoint.
class OnAllThreads final : public TensorSource {
 public:
  OnAllThreads(std::shared_ptr<const TensorSource> source, std::uint64_t old_row_bytes, Progress& progress)
      : source_(std::move(source)), old_row_bytes_(old_row_bytes), progress_(progress) {}
  DType dtype() const override { return source_->dtype(); }
  const Dims& dims() const override { return source_->dims(); }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    ThreadPool* pool = progress_.options.pool;
    const auto part = [&](int thread) {
      const Range range = split_range(end - begin, pool == nullptr ? 1 : pool->threads(), thread);
      if (range.begin == range.end) return;
      source_->read_rows(begin + range.begin, begin + range.end, out + bytes_of_rows(*source_, range.begin));
    };
    pool == nullptr ? part(0) : pool->run(part);
    progress_.add(old_row_bytes_ * static_cast<std::uint64_t>(end - begin));
  }

 private:
  std::shared_ptr<const TensorSource> source_;
  const std::uint64_t old_row_bytes_;
  Progress& progress_;
};

// A matrix that is written as its numbers and then its scales, which are found on the way. Both are read once.
struct Written {
  std::string name;
  std::shared_ptr<const checkpoint::Quantizer> quantizer;
  std::vector<checkpoint::SquaredError> errors;  // of rows, added up in order whatever the threads
};

class NumbersOf final : public TensorSource {
 public:
  explicit NumbersOf(Written& written) : written_(written), quantizer_(written.quantizer) {}
  DType dtype() const override { return quantizer_->type(); }
  const Dims& dims() const override { return quantizer_->matrix().dims(); }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    quantizer_->read_numbers(begin, end, reinterpret_cast<std::int8_t*>(out), written_.errors.data() + begin);
  }

 private:
  Written& written_;
  std::shared_ptr<const checkpoint::Quantizer> quantizer_;
};

class ScalesOf final : public TensorSource {
 public:
  explicit ScalesOf(std::shared_ptr<const checkpoint::Quantizer> quantizer) : quantizer_(std::move(quantizer)) {}
  DType dtype() const override { return quantizer_->scale_type(); }
  const Dims& dims() const override { return quantizer_->scale_dims(); }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    quantizer_->read_scales(begin, end, out);
  }

 private:
  std::shared_ptr<const checkpoint::Quantizer> quantizer_;
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
  std::deque<Written> matrices;  // whose addresses stay
  std::vector<std::string> in_s8, kept;
  for (const std::string& name : store.names()) {
    if (used.count(name) == 0) {
      ++report.left_out;
      continue;
    }
    std::shared_ptr<const TensorSource> source = store.source(name);
    progress.all += bytes_of_rows(*source, row_count(*source));
    const auto matrix = declared.find(name);
    if (matrix == declared.end() || is_float(matrix->second.type)) {
      ++report.kept;
      if (matrix != declared.end()) kept.push_back(name);
      const std::uint64_t row_bytes = bytes_of_rows(*source, 1);
      tensors.push_back({name, std::make_shared<OnAllThreads>(std::move(source), row_bytes, progress)});
      continue;
    }
    if (matrix->second.transposed) source = transposed_source(std::move(source));
    const std::uint64_t row_bytes = bytes_of_rows(*source, 1);
    const bool four = matrix->second.type == DType::kS4;
    ++(four ? report.in_s4 : report.in_s8);
    if (!four) in_s8.push_back(name);
    Written& written = matrices.emplace_back();
    written.name = name;
    written.errors.resize(static_cast<std::size_t>(row_count(*source)));
    written.quantizer =
        std::make_shared<checkpoint::Quantizer>(std::move(source), matrix->second.type, options.group, name);
    std::shared_ptr<const TensorSource> numbers = std::make_shared<NumbersOf>(written);
    if (four) numbers = checkpoint::pairs_of(std::move(numbers));
    tensors.push_back({name, std::make_shared<OnAllThreads>(std::move(numbers), row_bytes, progress)});
    tensors.push_back({name + "_scale", std::make_shared<ScalesOf>(written.quantizer)});
  }
  report.bytes_before = store.bytes();
  for (const checkpoint::NamedTensor& tensor : tensors) {
    report.bytes_after += bytes_of_rows(*tensor.source, row_count(*tensor.source));
  }

  Unfinished unfinished(out);
  checkpoint::write_safetensors(unfinished.path() / "model.safetensors", tensors, {{"format", "pt"}});
  write_config(folder, unfinished.path(), options, in_s8, kept);
  copy_other_files(folder, unfinished.path());
  unfinished.finish();

  for (const Written& matrix : matrices) {
    checkpoint::SquaredError sum;
    for (const checkpoint::SquaredError& row : matrix.errors) {
      sum.error += row.error;
      sum.whole += row.whole;
    }
    const double error = sum.whole > 0 ? std::sqrt(sum.error / sum.whole) : 0;
    if (error < report.largest_error) continue;
    report.largest_error = error;
    report.largest_error_at = matrix.name;
  }
  return report;
}

}  // namespace ganglion::models
