// `ganglion run`: any HLO module, on the evaluator, the CPU backend or a PJRT plugin.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>

#include "base/cores.h"
#include "base/error.h"
#include "base/file.h"
#include "base/thread_pool.h"
#include "cli/arguments.h"
#include "cli/verb.h"
#include "hlo/proto_reader.h"
#include "reference/evaluate.h"
#include "runtime/executable.h"
#include "runtime/pjrt/plugin.h"

namespace ganglion::cli {
namespace {

constexpr std::uint64_t kModuleLimit = std::uint64_t{1} << 30;

struct Options {
  std::string module;
  std::vector<std::string> inputs;
  std::string arguments;
  std::string backend = "cpu";
  std::string out;
  std::string isa;
  int ranks = 1;
  int threads = 1;
};

std::vector<TensorView> views(const std::vector<Tensor>& tensors) {
  std::vector<TensorView> out;
  for (const Tensor& tensor : tensors) out.push_back(tensor.view());
  return out;
}

bool is_aliased(const hlo::Module& module, std::int64_t result) {
  return std::any_of(module.aliases.begin(), module.aliases.end(),
                     [&](const hlo::Alias& alias) { return alias.output == result; });
}

// Drops the results that are written in place of a parameter: caches.
std::vector<Tensor> without_aliased(const hlo::Module& module, std::vector<Tensor> results) {
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!is_aliased(module, static_cast<std::int64_t>(i))) out.push_back(std::move(results[i]));
  }
  return out;
}

std::vector<std::vector<Tensor>> run_on_cpu(std::unique_ptr<hlo::Module> module, const Options& options,
                                            std::vector<std::vector<Tensor>> arguments) {
  ThreadPool pool(options.threads);
  std::vector<hlo::Shape> shapes;
  const auto results = module->result_shapes();
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!is_aliased(*module, static_cast<std::int64_t>(i))) shapes.push_back(results[i]);
  }
  struct Parameter {
    hlo::ParameterRole role;
    bool sharded;
  };
  std::vector<Parameter> parameters;
  for (const hlo::Instruction* parameter : module->entry->parameters())
    parameters.push_back({parameter->role, parameter->sharded});

  const auto executable =
      runtime::compile_for_cpu(std::move(module), {.ranks = options.ranks, .isa = options.isa, .pool = &pool});
  std::vector<std::vector<TensorView>> inputs(arguments.size());
  std::vector<runtime::WeightSources> weights;
  for (std::size_t number = 0; number < parameters.size(); ++number) {
    if (parameters[number].role == hlo::ParameterRole::kInput) {
      for (std::size_t rank = 0; rank < arguments.size(); ++rank)
        inputs[rank].push_back(arguments[rank][number].view());
    } else if (parameters[number].role == hlo::ParameterRole::kWeight) {
      std::vector<std::shared_ptr<const TensorSource>> sources;
      for (std::size_t rank = 0; rank < (parameters[number].sharded ? arguments.size() : 1); ++rank) {
        sources.push_back(tensor_source(std::move(arguments[rank][number])));
      }
      weights.push_back({static_cast<std::int64_t>(number), std::move(sources)});
    }
  }
  executable->load_weights(std::move(weights));
  std::vector<std::vector<Tensor>> out(arguments.size());
  std::vector<std::vector<MutableTensorView>> result_views(arguments.size());
  for (std::size_t rank = 0; rank < out.size(); ++rank) {
    for (const hlo::Shape& shape : shapes) out[rank].emplace_back(shape.dtype, shape.dims);
    for (Tensor& tensor : out[rank]) result_views[rank].push_back(tensor.mutable_view());
  }
  executable->run(inputs, result_views);
  return out;
}

void print(const std::vector<Tensor>& results, int rank, const std::string& folder) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Tensor& result = results[i];
    double low = std::numeric_limits<double>::infinity(), high = -low, sum = 0;
    for (std::int64_t e = 0; e < result.elements(); ++e) {
      const double value = element_as_double(result.view(), e);
      low = std::min(low, value);
      high = std::max(high, value);
      sum += value;
    }
    std::printf("rank %d result %zu  %-24s min %.9g  max %.9g  sum %.9g\n", rank, i,
                shape_text(result.dtype(), result.dims()).c_str(), low, high, sum);
    if (!folder.empty()) write_argument(folder, static_cast<std::int64_t>(i), rank, result.view());
  }
}

int run(const Options& options) {
  const File file = File::open(options.module);
  if (file.size() > kModuleLimit)
    fail(Code::kResourceExhausted, "[run] {} has {} bytes: at most {} are read", options.module, file.size(),
         kModuleLimit);
  std::vector<std::byte> bytes(file.size());
  file.read(0, bytes.data(), bytes.size());
  std::unique_ptr<hlo::Module> module = hlo::read_proto(bytes);
  std::vector<std::vector<Tensor>> arguments =
      read_arguments(*module, options.inputs, options.arguments, options.ranks);

  std::vector<std::vector<Tensor>> results;
  if (options.backend == "cpu") {
    results = run_on_cpu(std::move(module), options, std::move(arguments));
  } else if (options.backend == "reference") {
    std::vector<std::vector<TensorView>> per_rank;
    for (const auto& mine : arguments) per_rank.push_back(views(mine));
    for (auto& mine : reference::evaluate_ranks(*module, per_rank))
      results.push_back(without_aliased(*module, std::move(mine)));
  } else if (options.backend.rfind("pjrt:", 0) == 0) {
    if (options.ranks != 1) fail(Code::kUnsupported, "[run] --ranks {}: a plugin runs one rank", options.ranks);
    const auto plugin = runtime::pjrt::Plugin::load(options.backend.substr(5));
    results.push_back(without_aliased(*module, plugin->run(*module, views(arguments[0]))));
  } else {
    fail(Code::kInvalidArgument, "[run] --backend {}: wanted reference, cpu or pjrt:PLUGIN.so", options.backend);
  }
  if (!options.out.empty()) std::filesystem::create_directories(options.out);
  for (std::size_t rank = 0; rank < results.size(); ++rank) print(results[rank], static_cast<int>(rank), options.out);
  return 0;
}

}  // namespace

Action add_run(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  options->threads = static_cast<int>(settings.integer("GANGLION_THREADS", 1, 1024).value_or(available_cores()));
  options->isa = settings.value("GANGLION_ISA");
  verb.add_option("MODULE", options->module, "an HloModuleProto")->required();
  verb.add_option("--input", options->inputs, "one .npy for each parameter, in order");
  verb.add_option("--arguments", options->arguments, "a folder of <number>.npy, as `compile -p` writes it");
  verb.add_option("--backend", options->backend, "reference, cpu or pjrt:PLUGIN.so")->capture_default_str();
  verb.add_option("--ranks", options->ranks, "ranks that run the module together")
      ->capture_default_str()
      ->check(CLI::Range(1, 128));
  verb.add_option("--threads", options->threads, "compute threads")->capture_default_str()->check(CLI::Range(1, 1024));
  verb.add_option("--out", options->out, "write the results to this folder as <number>.rank<r>.npy");
  verb.footer("example: ganglion run /tmp/step/step.hlo.pb --arguments /tmp/step/arguments --backend reference");
  return [=] { return run(*options); };
}

}  // namespace ganglion::cli
