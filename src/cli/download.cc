// `ganglion download`: a model from a hub, S3 or the web into the cache on this machine.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/model_source.h"
#include "cli/verb.h"

namespace ganglion::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  ModelSource model;
  std::string cache;
  int connections = 0;
  bool json = false;
};

int download(const Options& options, const Settings& settings) {
  hub::Options hub_options = hub::read_options(settings);
  if (!options.cache.empty()) {
    hub_options.hugging_face.cache = fs::absolute(options.cache);
    hub_options.cache = fs::absolute(options.cache);
  }
  if (options.connections > 0) hub_options.connections = options.connections;
  const fs::path folder = fs::absolute(bring_model(options.model, std::move(hub_options), "download"));
  if (!options.json) {
    std::printf("%s\n", folder.c_str());
    return 0;
  }
  nlohmann::json files = nlohmann::json::array();
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    bytes += entry.file_size();
    files.push_back({{"name", entry.path().lexically_relative(folder).generic_string()}, {"bytes", entry.file_size()}});
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
    return a["name"].template get<std::string>() < b["name"].template get<std::string>();
  });
  const nlohmann::json out = {
      {"model", options.model.text}, {"folder", folder.string()}, {"bytes", bytes}, {"files", files}};
  std::printf("%s\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return 0;
}

}  // namespace

Action add_download(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  verb.add_option("MODEL", options->model.text, kModelHelp)->required();
  add_revision(verb, options->model);
  verb.add_option("--cache", options->cache, "where to keep it (default: HF_HUB_CACHE, SERVING_DOWNLOAD_DIR)");
  verb.add_option("--connections", options->connections, "connections for one large file")->check(CLI::Range(1, 64));
  verb.add_flag("--json", options->json, "print a JSON object: folder, bytes, files");
  verb.footer("example: ganglion download facebook/opt-125m --json");
  return [=, &settings] { return download(*options, settings); };
}

}  // namespace ganglion::cli
