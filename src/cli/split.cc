// `ganglion split`: a checkpoint in the split form, for transformers-neuronx or for ourselves.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "checkpoint/pieces.h"
#include "checkpoint/split_folder.h"
#include "checkpoint/store.h"
#include "cli/model_source.h"
#include "cli/progress_line.h"
#include "cli/verb.h"
#include "models/config.h"
#include "models/registry.h"

namespace ganglion::cli {
namespace {

namespace fs = std::filesystem;
using checkpoint::NamedTensor;

struct Options {
  ModelSource model;
  std::string out;
  bool overwrite = false;
};

// The weights under the names that the whole model has in Python, for readers who know no others: with the prefix of
// the base model, and with a tied head a second time.
std::vector<NamedTensor> named_in_full(const checkpoint::Store& store, const models::Config& config) {
  const auto& prefixes = models::find_family(config.model_type).optional_prefixes;
  const std::vector<std::string> names = store.names();
  const bool lacks_prefix = !prefixes.empty() && std::none_of(names.begin(), names.end(), [&](const auto& name) {
    return name.starts_with(prefixes[0]);
  });
  std::vector<NamedTensor> out;
  for (const std::string& name : names) {
    const bool is_within_base = !name.starts_with("lm_head.");
    out.push_back({(lacks_prefix && is_within_base ? prefixes[0] : "") + name, store.source(name)});
  }
  if (config.tied_head && !store.has("lm_head.weight")) {
    constexpr std::array<std::string_view, 3> kTables = {"embed_tokens.weight", "wte.weight", "word_embeddings.weight"};
    const auto table = std::find_if(out.begin(), out.end(), [&](const NamedTensor& tensor) {
      return std::any_of(kTables.begin(), kTables.end(),
                         [&](std::string_view suffix) { return tensor.name.ends_with(suffix); });
    });
    if (table != out.end()) out.push_back({"lm_head.weight", table->source});
  }
  std::sort(out.begin(), out.end(), [](const NamedTensor& a, const NamedTensor& b) { return a.name < b.name; });
  return out;
}

// config.json, the tokenizer's files and the like: what is not weights.
void copy_others(const fs::path& from, const fs::path& to) {
  constexpr std::array<std::string_view, 4> kKinds = {".json", ".txt", ".model", ".jinja"};
  for (const auto& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    const std::string kind = entry.path().extension().string();
    if (!entry.is_regular_file() || name.ends_with(".index.json")) continue;
    if (std::find(kKinds.begin(), kKinds.end(), kind) == kKinds.end()) continue;
    std::error_code error;
    fs::copy_file(entry.path(), to / name, fs::copy_options::overwrite_existing, error);
    if (error) fail(Code::kInvalidArgument, "[split] {} cannot be written: {}", (to / name).string(), error.message());
  }
}

void check_target(const fs::path& model, const Options& options) {
  std::error_code error;
  if (fs::exists(options.out, error) && !fs::is_directory(options.out, error)) {
    fail(Code::kInvalidArgument, "[split] {} is no folder; give the name of one to write", options.out);
  }
  if (fs::is_directory(options.out, error) && fs::equivalent(model, options.out, error)) {
    fail(Code::kInvalidArgument, "[split] {} is the model itself; give another folder", options.out);
  }
  if (fs::is_directory(options.out, error) && !fs::is_empty(options.out, error) && !options.overwrite) {
    fail(Code::kInvalidArgument, "[split] {} is not empty; give another folder, or --overwrite", options.out);
  }
  for (const char* first : {"model.safetensors", "model.safetensors.index.json"}) {
    if (fs::exists(fs::path(options.out) / first, error)) {
      fail(Code::kInvalidArgument, "[split] {} holds {}, which would be read in place of what is written; remove it",
           options.out, first);
    }
  }
}

int split(const Options& options, const Settings& settings) {
  const fs::path model = bring_model(options.model, settings, "split");
  const models::Config config = models::read_config(model);
  const checkpoint::Store store = checkpoint::Store::open(model);
  check_target(model, options);
  const std::vector<NamedTensor> tensors = named_in_full(store, config);
  std::uint64_t total = 0;
  for (const NamedTensor& tensor : tensors) total += checkpoint::source_bytes(*tensor.source);
  std::error_code error;
  fs::create_directories(options.out, error);
  if (error) fail(Code::kInvalidArgument, "[split] {} cannot be made: {}", options.out, error.message());
  copy_others(model, options.out);
  {
    ProgressLine line("split");
    std::uint64_t done = 0;
    checkpoint::write_split(options.out, tensors, [&](std::uint64_t bytes) { line.show(done += bytes, total); });
  }
  std::printf("%s: %zu tensors, %.1f MB\n", (fs::path(options.out) / checkpoint::kSplitFolder).c_str(), tensors.size(),
              static_cast<double>(total) / 1e6);
  return 0;
}

}  // namespace

Action add_split(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  verb.add_option("MODEL", options->model.text, kModelHelp)->required();
  add_revision(verb, options->model);
  verb.add_option("DIR", options->out, "folder to write: config.json, the tokenizer, and pytorch_model.bin/")
      ->required();
  verb.add_flag("--overwrite", options->overwrite, "write into a folder that is not empty");
  verb.footer("example: ganglion split share/opt-demo /tmp/opt-demo-split");
  return [=, &settings] { return split(*options, settings); };
}

}  // namespace ganglion::cli
