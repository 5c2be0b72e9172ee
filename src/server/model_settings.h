// What one model is told: serving.properties, typed and checked. Everything wrong is said at load, with the key.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hub/source.h"
#include "server/config.h"
#include "server/model_list.h"
#include "server/properties.h"

namespace ganglion::server {

struct ModelSettings {
  std::string engine = "Python";
  std::string entry_point;                    // "" when not given
  hub::Source source;                         // what names the model
  std::string revision;                       // of a Hugging Face id; "" for "main"
  std::filesystem::path model_folder;         // with config.json; "" until a source from elsewhere is brought here
  std::int64_t batch_size = 1;                // most prompts of one request
  std::optional<int> tensor_parallel_degree;  // nullopt: "max"
  std::int64_t n_positions = 128;             // prompt and answer together
  std::string dtype = "fp32";                 // as written; engine::parse_types reads it
  std::string quantize;                       // as written, "" for none; engine::parse_quantize reads it
  std::int64_t group_size = 32;               // of s4
  std::string kv_cache_dtype;                 // as written, "" as dtype says; engine::parse_cache_type reads it
  std::string weight_cache;                   // folder of packed weights, on or off; "": as the server has it
  std::chrono::seconds model_loading_timeout{240};
  std::chrono::seconds predict_timeout{120};
  std::int64_t job_queue_size = 1000;
  std::int64_t max_rolling_batch_size = 32;             // sequences that run together
  std::int64_t max_rolling_batch_prefill_tokens = 512;  // of one step, with those of sequences that decode
  bool enable_prefix_caching = true;        // what was computed of a prompt's beginning serves other requests
  std::vector<std::string> unused_options;  // option.* keys without effect here
};

// Settings of the model in `entry`: its serving.properties (which may be absent, when config.json is beside it) over
// the server's. option.model_id is a folder (absolute, or relative to the model's own folder, else to the working
// folder), a Hugging Face id, an s3:// address, which option.s3url may hold too, or the address of an archive; nothing
// is fetched yet. Errors: "[serving.properties] key=value: wanted ...": kInvalidArgument; kNotFound for a missing model
// folder; kUnsupported for engines, entry points and handlers (model.py) that are not served yet.
ModelSettings read_model_settings(const ModelEntry& entry, const ServerConfig& server);

}  // namespace ganglion::server
