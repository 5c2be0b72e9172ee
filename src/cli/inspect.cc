// `ganglion inspect`: what is in a checkpoint folder, which devices there are, which kernel tables this CPU runs.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "base/thread_pool.h"
#include "checkpoint/store.h"
#include "cli/bench.h"
#include "cli/model_source.h"
#include "cli/verb.h"
#include "kernels/table.h"
#include "models/registry.h"

namespace ganglion::cli {
namespace {

using Json = nlohmann::json;

struct Options {
  ModelSource model;
  bool json = false;
};

int inspect_model(const Options& options, const Settings& settings) {
  const std::filesystem::path folder = bring_model(options.model, settings, "inspect");
  const models::Config config = models::read_config(folder);
  const checkpoint::Store store = checkpoint::Store::open(folder);
  std::int64_t parameters = 0;
  for (const std::string& name : store.names()) parameters += element_count(store.source(name)->dims());
  Json degrees = Json::array();
  for (int tp = 1; tp <= config.heads; ++tp) {
    try {
      models::check_tp(config, tp);
      degrees.push_back(tp);
    } catch (const Error&) {  // that degree is not allowed: nothing to list
    }
  }
  const Json out = {{"family", config.model_type},
                    {"vocab", config.vocab},
                    {"hidden", config.hidden},
                    {"layers", config.layers},
                    {"heads", config.heads},
                    {"kv_heads", config.kv_heads},
                    {"head_dim", config.head_dim},
                    {"ffn", config.ffn},
                    {"max_positions", config.max_positions},
                    {"tied_head", config.tied_head},
                    {"dtype", config.dtype},
                    {"tensors", store.names().size()},
                    {"parameters", parameters},
                    {"checkpoint_bytes", store.bytes()},
                    {"tensor_parallel_degrees", degrees}};
  if (options.json) {
    std::printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  for (const auto& [key, value] : out.items())
    std::printf("%-24s %s\n", key.c_str(), value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
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
  verb.require_subcommand(1);
  CLI::App* model = verb.add_subcommand("model", "what a checkpoint folder holds");
  model->add_option("MODEL", options->model.text, kModelHelp)->required();
  add_revision(*model, options->model);
  CLI::App* devices = verb.add_subcommand("devices", "what programs can run on");
  CLI::App* isa = verb.add_subcommand("isa", "kernel tables: compiled in, runnable here, chosen");
  for (CLI::App* what : {model, devices, isa}) what->add_flag("--json", options->json, "print JSON");
  verb.footer("example: ganglion inspect model share/opt-demo");
  const std::string forced = settings.value("GANGLION_ISA");
  return [=, &settings] {
    if (model->parsed()) return inspect_model(*options, settings);
    if (devices->parsed()) return inspect_devices(*options);
    return inspect_isa(*options, forced);
  };
}

}  // namespace ganglion::cli
