// `ganglion plan`: the byte plan of a model, before any of it is loaded. The sums are the ones that decide at load.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/cores.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "checkpoint/random_source.h"
#include "cli/model_options.h"
#include "cli/model_source.h"
#include "cli/verb.h"
#include "engine/loaded_step.h"
#include "engine/model.h"
#include "models/registry.h"
#include "planner/plan.h"

namespace ganglion::cli {
namespace {

using Json = nlohmann::ordered_json;
using planner::size_text;

struct Options {
  ModelSource model;
  std::string shape;
  std::int64_t batch = 1;
  bool json = false;
  ModelOptions engine;
};

struct Degree {
  int tp = 1;
  std::string refused;  // why; empty when it is allowed
  planner::Plan plan;   // when it is allowed
};

// No numbers, only shapes, in the type that config.json names; counts what is asked for.
class Shapes {
 public:
  explicit Shapes(const models::Config& config)
      : type_(config.dtype == "float16"    ? DType::kF16
              : config.dtype == "bfloat16" ? DType::kBF16
                                           : DType::kF32) {}
  models::WeightFinder finder() {
    return [this](const std::string& name, const Dims& dims) {
      counts_[name] = element_count(dims);
      return checkpoint::constant_source(type_, dims, 0);
    };
  }
  std::int64_t parameters() const {
    std::int64_t sum = 0;
    for (const auto& [name, count] : counts_) sum += count;
    return sum;
  }

 private:
  const DType type_;
  std::map<std::string, std::int64_t> counts_;
};

// The reason within "[opt] tensor_parallel_degree=3: 32 heads cannot be split in 3; use 1, 2".
std::string reason_in(const std::string& message) {
  const std::size_t begin = message.find(": ");
  const std::size_t end = message.rfind("; use ");
  if (begin == std::string::npos || end == std::string::npos || end < begin) return message;
  return message.substr(begin + 2, end - begin - 2);
}

// The degrees that the config allows, and the customary ones that it does not.
std::vector<Degree> plan_degrees(const models::Config& config, engine::EngineOptions options) {
  std::vector<Degree> out;
  for (int tp = 1; tp <= 32; ++tp) {
    Degree degree{.tp = tp, .refused = {}, .plan = {}};
    options.tp = tp;
    try {
      models::check_tp(config, tp);
    } catch (const Error& error) {  // not an error here: the reason is what is asked for
      degree.refused = reason_in(error.what());
    }
    const bool customary = planner::trn1_has_degree(tp) || planner::inf2_has_degree(tp);
    if (!degree.refused.empty() && !customary) continue;
    if (degree.refused.empty()) degree.plan = engine::plan_step(config, Shapes(config).finder(), options).plan;
    out.push_back(std::move(degree));
  }
  return out;
}

const char* instances_with(int tp) {
  const bool inf2 = planner::inf2_has_degree(tp);
  const bool trn1 = planner::trn1_has_degree(tp);
  return inf2 && trn1 ? "Inf2, Trn1" : inf2 ? "Inf2" : trn1 ? "Trn1" : "-";
}

bool fits_core(const planner::Plan& plan) { return plan.core.total() <= planner::kNeuronCoreBytes; }

Json sums_json(const planner::Sums& sums) {
  Json kinds = Json::object();
  for (std::size_t i = 0; i < sums.weights_of.size(); ++i)
    kinds[std::string(planner::weight_kind_name(static_cast<planner::WeightKind>(i)))] = sums.weights_of[i];
  return {{"weights", sums.weights()},       {"weights_by_kind", kinds}, {"kv_cache", sums.kv_cache},
          {"activations", sums.activations}, {"program", sums.program},  {"total", sums.total()}};
}

// Whole sequences of the planned length that the memory holds beside the rest.
std::int64_t sequences_that_fit(const planner::Plan& plan, std::int64_t memory) {
  const std::int64_t blocks = planner::blocks_that_fit(plan, std::numeric_limits<std::int64_t>::max(), memory);
  return blocks / planner::blocks_for(plan.positions, plan.block_size);
}

// As it was named, or what the weights' type brings with it.
std::string cache_type(const Options& options) {
  if (!options.engine.kv_dtype.empty()) return options.engine.kv_dtype;
  const models::Types types = engine::parse_types(options.engine.dtype);
  return types.kv == types.storage ? options.engine.dtype : std::string(dtype_name(types.kv));
}

void print_json(const Options& options, const models::Config& config, std::int64_t parameters,
                const planner::Plan& plan, std::int64_t memory, const std::vector<Degree>& degrees) {
  Json list = Json::array();
  for (const Degree& degree : degrees) {
    Json row = {{"tp", degree.tp}, {"allowed", degree.refused.empty()}};
    if (!degree.refused.empty()) {
      row["reason"] = degree.refused;
    } else {
      row["bytes_per_core"] = degree.plan.core.total();
      row["fits_16_gib_core"] = fits_core(degree.plan);
    }
    row["inf2"] = planner::inf2_has_degree(degree.tp);
    row["trn1"] = planner::trn1_has_degree(degree.tp);
    list.push_back(row);
  }
  const Json out = {{"model", options.model.text.empty() ? options.shape : options.model.text},
                    {"family", config.model_type},
                    {"parameters", parameters},
                    {"dtype", options.engine.dtype},
                    {"kv_dtype", cache_type(options)},
                    {"tp", plan.ranks},
                    {"batch", options.batch},
                    {"n_positions", plan.positions},
                    {"kv_bytes_per_token", plan.bytes_per_position},
                    {"bytes", sums_json(plan.all)},
                    {"bytes_per_core", sums_json(plan.core)},
                    {"memory_bytes", memory},
                    {"fits", plan.all.total() <= memory},
                    {"sequences_that_fit", sequences_that_fit(plan, memory)},
                    {"tensor_parallel_degrees", list}};
  std::printf("%s\n", out.dump(2).c_str());
}

void print_line(const std::string& name, std::int64_t all, std::int64_t core) {
  std::printf("%-28s %12s %18s\n", name.c_str(), size_text(all).c_str(), size_text(core).c_str());
}

void print_text(const Options& options, const models::Config& config, std::int64_t parameters,
                const planner::Plan& plan, std::int64_t memory, const std::vector<Degree>& degrees) {
  const std::string kv = cache_type(options);
  const double millions = static_cast<double>(parameters) / 1e6;
  std::printf("%s: %s, %.2f %s parameters; weights %s, cache %s, tp %lld, batch %lld, %lld positions\n\n",
              (options.model.text.empty() ? options.shape : options.model.text).c_str(), config.model_type.c_str(),
              millions < 1000 ? millions : millions / 1000, millions < 1000 ? "M" : "G", options.engine.dtype.c_str(),
              kv.c_str(), static_cast<long long>(plan.ranks), static_cast<long long>(options.batch),
              static_cast<long long>(plan.positions));
  std::printf("%-28s %12s %18s\n", "", "in all", "per NeuronCore");
  print_line("weights", plan.all.weights(), plan.core.weights());
  for (std::size_t i = 0; i < plan.all.weights_of.size(); ++i) {
    if (plan.all.weights_of[i] == 0) continue;
    const auto name = planner::weight_kind_name(static_cast<planner::WeightKind>(i));
    print_line("  " + std::string(name), plan.all.weights_of[i], plan.core.weights_of[i]);
  }
  print_line("KV cache", plan.all.kv_cache, plan.core.kv_cache);
  print_line("  of one token", plan.bytes_per_position, plan.core.kv_cache / (plan.blocks * plan.block_size));
  print_line("activations", plan.all.activations, plan.core.activations);
  print_line("program", plan.all.program, plan.core.program);
  print_line("total", plan.all.total(), plan.core.total());

  std::printf("\nthis machine has %s to be had: ", size_text(memory).c_str());
  if (plan.all.total() > memory) {
    std::printf("it does not fit, %s more are wanted\n", size_text(plan.all.total() - memory).c_str());
  } else {
    std::printf("it fits, with up to %lld sequences of %lld positions\n",
                static_cast<long long>(sequences_that_fit(plan, memory)), static_cast<long long>(plan.positions));
  }
  std::printf("\n%-4s %16s %18s  %s\n", "tp", "per NeuronCore", "16 GiB per core", "collectives of");
  for (const Degree& degree : degrees) {
    if (!degree.refused.empty()) continue;
    std::printf("%-4d %16s %18s  %s\n", degree.tp, size_text(degree.plan.core.total()).c_str(),
                fits_core(degree.plan) ? "fits" : "too large", instances_with(degree.tp));
  }
  for (const Degree& degree : degrees) {
    if (!degree.refused.empty()) std::printf("%-4d not allowed: %s\n", degree.tp, degree.refused.c_str());
  }
}

int plan(const Options& options, const Settings& settings) {
  if (options.model.text.empty() == options.shape.empty())
    fail(Code::kInvalidArgument, "[plan] wanted one of MODEL and --shape, a published name");
  const models::Config config = options.model.text.empty()
                                    ? models::published_shape(options.shape)
                                    : models::read_config(bring_model(options.model, settings, "plan"));
  if (options.engine.n_positions > config.max_positions) {
    fail(Code::kInvalidArgument, "[plan] --n-positions {}: the model has {} positions", options.engine.n_positions,
         config.max_positions);
  }
  ThreadPool pool(options.engine.threads, [] { return available_cores(); });
  engine::EngineOptions engine_options = engine_options_of(options.engine, pool);
  engine_options.max_sequences = options.batch;
  const std::int64_t memory = engine::memory_for(engine_options);
  // What was asked for, whether it fits or not.
  engine_options.cache_tokens = std::numeric_limits<std::int64_t>::max() / 2;

  Shapes shapes(config);
  const planner::Plan plan = engine::plan_step(config, shapes.finder(), engine_options).plan;
  const std::vector<Degree> degrees = plan_degrees(config, engine_options);
  (options.json ? print_json : print_text)(options, config, shapes.parameters(), plan, memory, degrees);
  return 0;
}

}  // namespace

Action add_plan(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  verb.add_option("MODEL", options->model.text, kModelHelp);
  add_revision(verb, options->model);
  verb.add_option("--shape", options->shape, "a published shape instead of a folder, such as opt-13b");
  verb.add_option("--batch", options->batch, "sequences at once")->capture_default_str()->check(CLI::Range(1, 65'536));
  verb.add_flag("--json", options->json, "print JSON");
  add_model_options(verb, settings, options->engine);
  verb.footer("example: ganglion plan --shape opt-13b --dtype f16 --tp 2 --batch 4");
  return [=, &settings] { return plan(*options, settings); };
}

}  // namespace ganglion::cli
