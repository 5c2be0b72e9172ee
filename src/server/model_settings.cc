#include "server/model_settings.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"

namespace ganglion::server {
namespace {

namespace fs = std::filesystem;

constexpr std::array kUsedOptions = {"entryPoint",
                                     "model_id",
                                     "batch_size",
                                     "tensor_parallel_degree",
                                     "n_positions",
                                     "dtype",
                                     "predict_timeout",
                                     "model_loading_timeout",
                                     "rolling_batch",
                                     "max_rolling_batch_size",
                                     "s3url",
                                     "revision",
                                     "load_in_8bit",
                                     "quantize",
                                     "group_size",
                                     "kv_cache_dtype",
                                     "max_rolling_batch_prefill_tokens",
                                     "enable_prefix_caching",
                                     "weight_cache"};
// The entry points whose work the default handler does.
constexpr std::array kEntryPoints = {"djl_python.transformers-neuronx", "djl_python.transformers_neuronx",
                                     "djl_python.transformer-neuronx", "djl_python.huggingface"};
constexpr std::array kEngines = {"Python", "MPI"};
constexpr std::array kRollingBatch = {"disable", "auto", "tnx", "transformers-neuronx"};

template <typename Names>
bool one_of(const Names& names, std::string_view text) {
  return std::find(names.begin(), names.end(), text) != names.end();
}

template <typename Names>
std::string listed(const Names& names) {
  std::string out;
  for (const char* name : names) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

void find_model(const Properties& file, const fs::path& folder, ModelSettings& settings) {
  const auto id = file.get("option.model_id");
  const auto s3url = file.get("option.s3url");
  const bool has_id = id && !id->empty(), has_s3url = s3url && !s3url->empty();
  if (has_id && has_s3url) {
    fail(Code::kInvalidArgument, "[{}] option.model_id={} and option.s3url={}: wanted one of them", file.place(), *id,
         *s3url);
  }
  if (has_s3url && !s3url->starts_with("s3://")) {
    fail(Code::kInvalidArgument, "[{}] option.s3url={}: wanted s3://BUCKET/KEY", file.place(), *s3url);
  }
  settings.source.path = folder;
  if (has_id || has_s3url) {
    const std::string place = file.place() + (has_id ? ": option.model_id" : ": option.s3url");
    settings.source = hub::parse_source(has_id ? *id : *s3url, {folder, fs::current_path()}, place);
  }
  if (settings.source.kind == hub::SourceKind::kHuggingFace)
    settings.revision = file.get("option.revision").value_or("");
  if (settings.source.kind == hub::SourceKind::kFolder) settings.model_folder = settings.source.path;
  if (has_id && settings.source.kind == hub::SourceKind::kFolder)
    settings.model_folder = fs::canonical(settings.source.path);
}

std::optional<int> read_tp(const Properties& file, const ServerConfig& server) {
  const bool own = file.get("option.tensor_parallel_degree").has_value();
  Properties source = file;
  if (!own) {
    source = Properties::parse("", "environment");
    source.set("TENSOR_PARALLEL_DEGREE", server.tensor_parallel_degree);
  }
  const char* key = own ? "option.tensor_parallel_degree" : "TENSOR_PARALLEL_DEGREE";
  const std::string text = source.get(key).value_or("1");
  if (text == "max") return std::nullopt;
  if (text.find_first_not_of("0123456789 ") != std::string::npos || text.empty()) {
    fail(Code::kInvalidArgument, "[{}] {}={}: wanted a whole number from 1 to 1024, or max", source.place(), key, text);
  }
  return static_cast<int>(*source.integer(key, 1, 1024));
}

// option.quantize, or option.load_in_8bit, which is the same in other words.
std::string read_quantize(const Properties& file) {
  const std::string quantize = file.get("option.quantize").value_or("");
  if (!file.boolean("option.load_in_8bit").value_or(false)) return quantize;
  if (!quantize.empty() && quantize != "static_int8" && quantize != "s8" && quantize != "int8") {
    fail(Code::kInvalidArgument,
         "[{}] option.load_in_8bit=true and option.quantize={}: they say different things; leave one out", file.place(),
         quantize);
  }
  return "static_int8";
}

std::int64_t read_group_size(const Properties& file) {
  const std::int64_t size = file.integer("option.group_size", 1, 1 << 20).value_or(32);
  if (size == 32 || size == 64 || size == 128) return size;
  fail(Code::kInvalidArgument, "[{}] option.group_size={}: wanted 32, 64 or 128", file.place(), size);
}

}  // namespace

ModelSettings read_model_settings(const ModelEntry& entry, const ServerConfig& server) {
  Properties file = Properties::parse("", "serving.properties");
  const fs::path path = entry.folder / "serving.properties";
  std::error_code ignored;
  // What the author of a published checkpoint puts beside it does not set up this server.
  const bool configures = entry.source.kind != hub::SourceKind::kHuggingFace;
  if (configures && fs::exists(path, ignored))
    file = Properties::parse(read_text(path, 1u << 20), "serving.properties");

  ModelSettings settings;
  settings.engine = !entry.engine.empty() ? entry.engine : file.get("engine").value_or("Python");
  if (!one_of(kEngines, settings.engine)) {
    fail(Code::kUnsupported, "[serving.properties] engine={}: not an engine that is served here; use {}",
         settings.engine, listed(kEngines));
  }
  settings.entry_point = file.get("option.entryPoint").value_or("");
  if (!settings.entry_point.empty() && !one_of(kEntryPoints, settings.entry_point)) {
    fail(Code::kUnsupported,
         "[serving.properties] option.entryPoint={}: handlers of one's own are not run; use one of {}",
         settings.entry_point, listed(kEntryPoints));
  }
  if (configures && settings.entry_point.empty() && fs::exists(entry.folder / "model.py", ignored)) {
    fail(Code::kUnsupported,
         "[serving.properties] {}: handlers of one's own are not run; remove it or set option.entryPoint to one of {}",
         (entry.folder / "model.py").string(), listed(kEntryPoints));
  }
  if (const auto rolling = file.get("option.rolling_batch"); rolling && !one_of(kRollingBatch, *rolling)) {
    fail(Code::kUnsupported, "[serving.properties] option.rolling_batch={}: not a kind that is served here; use {}",
         *rolling, listed(kRollingBatch));
  }

  find_model(file, entry.folder, settings);
  settings.batch_size = server.batch_size;
  for (const char* key : {"batch_size", "max_dynamic_batch_size", "option.batch_size"}) {
    settings.batch_size = file.integer(key, 1, 65'536).value_or(settings.batch_size);
  }
  settings.tensor_parallel_degree = read_tp(file, server);
  settings.n_positions = file.integer("option.n_positions", 1, 1 << 24).value_or(settings.n_positions);
  settings.dtype = file.get("option.dtype").value_or(settings.dtype);
  settings.quantize = read_quantize(file);
  settings.group_size = read_group_size(file);
  settings.kv_cache_dtype = file.get("option.kv_cache_dtype").value_or("");
  settings.weight_cache = file.get("option.weight_cache").value_or("");
  settings.model_loading_timeout = std::chrono::seconds(
      file.integer("option.model_loading_timeout", 1, 1'000'000).value_or(server.model_loading_timeout.count()));
  settings.predict_timeout = std::chrono::seconds(
      file.integer("option.predict_timeout", 1, 1'000'000).value_or(server.predict_timeout.count()));
  settings.job_queue_size = file.integer("job_queue_size", 1, 1'000'000).value_or(server.job_queue_size);
  settings.max_rolling_batch_size =
      std::max(settings.batch_size,
               file.integer("option.max_rolling_batch_size", 1, 65'536).value_or(settings.max_rolling_batch_size));
  settings.max_rolling_batch_prefill_tokens = file.integer("option.max_rolling_batch_prefill_tokens", 1, 1 << 20)
                                                  .value_or(settings.max_rolling_batch_prefill_tokens);
  settings.enable_prefix_caching =
      file.boolean("option.enable_prefix_caching").value_or(settings.enable_prefix_caching);
  for (const auto& [key, value] : file.entries()) {
    if (key == "option.revision" && settings.source.kind != hub::SourceKind::kHuggingFace) {
      settings.unused_options.push_back(key);
    }
    if (key.starts_with("option.") && !one_of(kUsedOptions, std::string_view(key).substr(7)))
      settings.unused_options.push_back(key);
  }
  return settings;
}

}  // namespace ganglion::server
