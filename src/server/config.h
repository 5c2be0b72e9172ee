// What the server as a whole is told: DJL's config.properties and command line. A model's own settings are in
// model_settings.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/settings.h"
#include "hub/options.h"
#include "server/model_list.h"

namespace ganglion::server {

// The flags of `ganglion serve`, as given.
struct CommandLine {
  std::vector<std::string> models;         // -m, each [name[:version[:engine[:devices]]]=]url
  std::optional<std::string> model_store;  // -s
  std::optional<std::string> config_file;  // -f
  std::optional<std::string> address;      // --address, instead of inference_address
};

struct ServerConfig {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::vector<ModelEntry> models;
  bool wait_model_loading = true;   // models are ready before the port is bound
  bool allow_multi_status = false;  // GET /ping answers 207 while a model loads
  std::uint64_t max_request_size = 64u << 20;
  std::int64_t job_queue_size = 1000;  // default of a model's
  std::int64_t batch_size = 1;         // default of a model's
  std::chrono::seconds predict_timeout{120};
  std::chrono::seconds model_loading_timeout{240};
  std::string tensor_parallel_degree = "1";  // default of a model's: a number or "max"
  hub::Options hub;                          // how models that are not here are brought
  std::vector<std::string> unused_keys;      // of config.properties: not known, or without effect here
};

inline constexpr const char* kDefaultModelStore = "/opt/ml/model";

// "http://127.0.0.1:8080", "127.0.0.1:8080", "http://[::1]:80": host and port. Errors: kUnsupported for https and unix
// addresses, kInvalidArgument for what is no address; `place` starts the message.
void parse_address(const std::string& address, const std::string& place, std::string& host, std::uint16_t& port);

// Reads the file and puts the command line over it. The file is -f, else conf/config.properties or config.properties
// below MODEL_SERVER_HOME when they exist. Relative paths in the file start from MODEL_SERVER_HOME (else the working
// folder), those on the command line from the working folder. Without -m, load_models and a store, the store is
// /opt/ml/model, if it exists. Errors: kInvalidArgument and kNotFound with the key and its value.
ServerConfig make_config(const CommandLine& command_line, const Settings& settings);

}  // namespace ganglion::server
