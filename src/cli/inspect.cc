// `ganglion inspect`: what is in a checkpoint folder, which devices there are, which kernel tables this CPU runs.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/cores.h"
#include "base/error.h"
#include "checkpoint/store.h"
#include "cli/bench.h"
#include "cli/model_source.h"
#include "cli/verb.h"
#include "kernels/table.h"
#include "models/registry.h"
#include "planner/plan.h"
#include "planner/weight_kind.h"
#include "tokenizer/tokenizer.h"

namespace ganglion::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  ModelSource what;
  bool json = false;
};

Json tokenizer_json(const std::filesystem::path& folder) {
  try {
    const auto tokenizer = tokenizer::Tokenizer::load(folder);
    const auto id = [](std::optional<std::int32_t> value) { return value ? Json(*value) : Json(); };
    return {{"tokens", tokenizer->vocab_size()}, {"bos", id(tokenizer->bos_id())}, {"eos", id(tokenizer->eos_id())}};
  } catch (const Error& error) {  // a model may be looked at without one; generate and serve refuse it
    return {{"error", error.what()}};
  }
}

int inspect_model(const Options& options, const Settings& settings) {
  const std::filesystem::path folder = bring_model(options.what, settings, "inspect");
  const models::Config config = models::read_config(folder);
  const checkpoint::Store store = checkpoint::Store::open(folder);
  std::int64_t parameters = 0;
  std::map<std::string, std::int64_t> kinds, dtypes;
  for (const std::string& name : store.names()) {
    const TensorSource& tensor = *store.find(name);
    const std::int64_t elements = element_count(tensor.dims());
    const std::int64_t bytes = elements * static_cast<std::int64_t>(dtype_size(tensor.dtype()));
    parameters += elements;
    kinds[std::string(planner::weight_kind_name(planner::weight_kind(name)))] += bytes;
    dtypes[std::string(dtype_name(tensor.dtype()))] += bytes;
  }
  Json degrees = Json::array();
  for (int tp = 1; tp <= config.heads; ++tp) {
    try {
      models::check_tp(config, tp);
      degrees.push_back(tp);
    } catch (const Error&) {  // that degree is not allowed: nothing to list
    }
  }
  const Json out = {{"family", config.model_type},
                    {"parameters", parameters},
                    {"layers", config.layers},
                    {"hidden", config.hidden},
                    {"heads", config.heads},
                    {"kv_heads", config.kv_heads},
                    {"head_dim", config.head_dim},
                    {"ffn", config.ffn},
                    {"vocab", config.vocab},
                    {"max_positions", config.max_positions},
                    {"tied_head", config.tied_head},
                    {"dtype", config.dtype},
                    {"tensors", store.names().size()},
                    {"files", store.files().size()},
                    {"bytes", store.bytes()},
                    {"bytes_by_kind", kinds},
                    {"bytes_by_dtype", dtypes},
                    {"tokenizer", tokenizer_json(folder)},
                    {"tensor_parallel_degrees", degrees}};
  if (options.json) {
    std::printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  for (const auto& [key, value] : out.items()) {
    if (!value.is_object()) {
      std::printf("%-24s %s\n", key.c_str(),
                  value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
      continue;
    }
    std::printf("%s\n", key.c_str());
    for (const auto& [name, part] : value.items()) {
      const bool bytes = key.starts_with("bytes");
      std::printf("  %-22s %s\n", name.c_str(),
                  bytes              ? planner::size_text(part.get<std::int64_t>()).c_str()
                  : part.is_string() ? part.get<std::string>().c_str()
                                     : part.dump().c_str());
    }
  }
  return 0;
}

int inspect_devices(const Options& options) {
  const int cores = available_cores();
  if (options.json) {
    std::printf("%s\n", Json({{"cpu", cpu_name()}, {"cores", cores}}).dump(2).c_str());
  } else {
    std::printf("cpu    %s\ncores  %d may be used by this process\n", cpu_name().c_str(), cores);
  }
  return 0;
}

int inspect_isa(const Options& options, const std::string& forced) {
  const kernels::Table* chosen = kernels::find_table(forced);
  if (chosen == nullptr) {
    fail(Code::kInvalidArgument,
         "[environment] GANGLION_ISA={}: wanted a table that this CPU runs (see `ganglion inspect isa` without it)",
         forced);
  }
  int count = 0;
  const kernels::TableInfo* tables = kernels::all_tables(&count);
  Json list = Json::array();
  for (int i = 0; i < count; ++i) {
    list.push_back({{"isa", std::string(tables[i].table->isa)},
                    {"runs_here", tables[i].runnable},
                    {"chosen", tables[i].table == chosen}});
  }
  if (options.json) {
    std::printf("%s\n", list.dump(2).c_str());
    return 0;
  }
  std::printf("%-8s  %-9s  %s\n", "isa", "runs here", "chosen");
  for (const Json& row : list) {
    std::printf("%-8s  %-9s  %s\n", row["isa"].get<std::string>().c_str(), row["runs_here"] ? "yes" : "no",
                row["chosen"] ? "yes" : "");
  }
  return 0;
}

}  // namespace

Action add_inspect(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  auto words = std::make_shared<std::vector<std::string>>();
  verb.add_option("MODEL|devices|isa", *words,
                  std::string("MODEL, or model MODEL: what a checkpoint holds (") + kModelHelp +
                      "); devices: what programs can run on; isa: kernel tables, compiled in, runnable here, chosen")
      ->required()
      ->expected(1, 2);
  add_revision(verb, options->what);
  verb.add_flag("--json", options->json, "print JSON");
  verb.footer("example: ganglion inspect share/opt-demo --json");
  const std::string forced = settings.value("GANGLION_ISA");
  return [=, &settings] {
    if (words->size() == 2 && words->front() != "model") {
      fail(Code::kInvalidArgument, "[inspect] \"{}\" and \"{}\": wanted one of MODEL, model MODEL, devices and isa",
           words->front(), words->back());
    }
    options->what.text = words->back();
    if (words->size() == 1 && words->front() == "devices") return inspect_devices(*options);
    if (words->size() == 1 && words->front() == "isa") return inspect_isa(*options, forced);
    return inspect_model(*options, settings);
  };
}

}  // namespace ganglion::cli
