#include "server/config.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "server/properties.h"

namespace ganglion::server {
namespace {

namespace fs = std::filesystem;

constexpr std::array kUsedKeys = {"inference_address", "management_address", "model_store",
                                  "load_models",       "wait_model_loading", "allow_multi_status",
                                  "max_request_size",  "job_queue_size",     "batch_size"};

std::optional<fs::path> find_config_file(const CommandLine& command_line, const Settings& settings) {
  if (command_line.config_file) return fs::path(*command_line.config_file);
  const auto home = settings.get("MODEL_SERVER_HOME");
  if (!home) return std::nullopt;
  for (const char* name : {"conf/config.properties", "config.properties"}) {
    std::error_code ignored;
    if (fs::exists(fs::path(*home) / name, ignored)) return fs::path(*home) / name;
  }
  return std::nullopt;
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(", \t", at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

void read_limits(const Properties& file, ServerConfig& config) {
  config.wait_model_loading = file.boolean("wait_model_loading").value_or(config.wait_model_loading);
  config.allow_multi_status = file.boolean("allow_multi_status").value_or(config.allow_multi_status);
  if (const auto bytes = file.integer("max_request_size", 1, std::int64_t{1} << 40)) {
    config.max_request_size = static_cast<std::uint64_t>(*bytes);
  }
  config.job_queue_size = file.integer("job_queue_size", 1, 1'000'000).value_or(config.job_queue_size);
  config.batch_size = file.integer("batch_size", 1, 65'536).value_or(config.batch_size);
}

void read_environment(const Settings& settings, ServerConfig& config) {
  if (const auto seconds = settings.integer("PREDICT_TIMEOUT", 1, 1'000'000))
    config.predict_timeout = std::chrono::seconds(*seconds);
  if (const auto seconds = settings.integer("MODEL_LOADING_TIMEOUT", 1, 1'000'000)) {
    config.model_loading_timeout = std::chrono::seconds(*seconds);
  }
  if (const auto degree = settings.get("TENSOR_PARALLEL_DEGREE")) config.tensor_parallel_degree = *degree;
}

}  // namespace

void parse_address(const std::string& address, const std::string& place, std::string& host, std::uint16_t& port) {
  std::string_view rest = address;
  if (rest.starts_with("https:") || rest.starts_with("unix:")) {
    fail(Code::kUnsupported, "[{}] {}: only http:// addresses are supported", place, address);
  }
  if (rest.starts_with("http://")) rest.remove_prefix(7);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const std::size_t colon = rest.rfind(':');
  std::string_view name = rest.substr(0, colon);
  const bool bracketed = name.starts_with('[') && name.ends_with(']');
  if (bracketed) name = name.substr(1, name.size() - 2);
  unsigned number = 0;
  bool good =
      colon != std::string_view::npos && !name.empty() && (bracketed || name.find(':') == std::string_view::npos);
  if (good) {
    const std::string_view digits = rest.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    good = error == std::errc() && end == digits.data() + digits.size() && number <= 65535;
  }
  if (!good)
    fail(Code::kInvalidArgument, "[{}] {}: wanted http://HOST:PORT, as in http://127.0.0.1:8080", place, address);
  host = std::string(name);
  port = static_cast<std::uint16_t>(number);
}

ServerConfig make_config(const CommandLine& command_line, const Settings& settings) {
  ServerConfig config;
  read_environment(settings, config);
  config.hub = hub::read_options(settings);

  Properties file;
  if (const auto path = find_config_file(command_line, settings)) {
    file = Properties::parse(read_text(*path, 1u << 20), path->filename().string());
  }
  for (const auto& [key, value] : file.entries()) {
    if (std::find(kUsedKeys.begin(), kUsedKeys.end(), key) == kUsedKeys.end()) config.unused_keys.push_back(key);
  }
  read_limits(file, config);
  if (const auto address = file.get("inference_address")) {
    parse_address(*address, file.place() + ": inference_address", config.host, config.port);
  }
  if (command_line.address) parse_address(*command_line.address, "--address", config.host, config.port);

  const fs::path home = settings.get("MODEL_SERVER_HOME").value_or("");
  const fs::path file_base = home.empty() ? fs::current_path() : fs::absolute(home);
  if (!command_line.models.empty()) {
    for (const std::string& model : command_line.models)
      config.models.push_back(parse_model_entry(model, fs::current_path()));
    return config;
  }
  const std::string load = file.get("load_models").value_or("ALL");
  if (load == "NONE") return config;
  if (load != "ALL") {
    for (const std::string& model : split_list(load)) config.models.push_back(parse_model_entry(model, file_base));
    return config;
  }
  if (command_line.model_store) {
    config.models = list_store(fs::absolute(*command_line.model_store));
  } else if (const auto store = file.get("model_store")) {
    config.models = list_store(fs::path(*store).is_absolute() ? fs::path(*store) : file_base / *store);
  } else if (std::error_code ignored; fs::is_directory(kDefaultModelStore, ignored)) {
    config.models = list_store(kDefaultModelStore);
  } else {
    log::warning("[model_store] no model is named and {} does not exist; give a store with -s or a model with -m",
                 kDefaultModelStore);
  }
  return config;
}

}  // namespace ganglion::server
