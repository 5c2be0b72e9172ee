// The options that every verb which loads a model shares.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/settings.h"
#include "engine/engine.h"

namespace CLI {
class App;
}
namespace ganglion {
class ThreadPool;
}

namespace ganglion::cli {

struct ModelOptions {
  std::string dtype;
  std::int64_t group = 32;  // of s4
  std::string kv_dtype;     // "": as dtype says
  int tp = 1;
  int threads = 1;
  std::int64_t n_positions = 0;  // 0: the model's
  std::string isa;
  std::string weight_cache;              // folder of packed weights, off or on
  std::uint64_t weight_cache_bytes = 0;  // most that it may hold; 0: any number
  std::filesystem::path user_cache;
  std::int64_t memory_bytes = 0;  // a model may take; 0: what the machine has free
};

// GANGLION_MEMORY_BYTES, 0 when it is not set.
std::int64_t memory_setting(const Settings& settings);
// The folder of packed weights that GANGLION_WEIGHT_CACHE names; "" for none.
std::filesystem::path weight_cache_setting(const Settings& settings);
// GANGLION_WEIGHT_CACHE_SIZE in bytes; 0 for no limit.
std::uint64_t weight_cache_size_setting(const Settings& settings);
void add_model_options(CLI::App& verb, const Settings& settings, ModelOptions& options);
engine::EngineOptions engine_options_of(const ModelOptions& options, ThreadPool& pool);

}  // namespace ganglion::cli
