// Models of the native engine behind the Predictor interface.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "server/hosted_models.h"

namespace ganglion {
class ThreadPool;
}
namespace ganglion::metrics {
class Registry;
}

namespace ganglion::server {

struct EngineLoaderOptions {
  ThreadPool* pool = nullptr;  // shared by all models; must outlive them, like the registry
  metrics::Registry* registry = nullptr;
  std::string isa = {};                     // "": the best this CPU has
  std::int64_t memory_bytes = 0;            // a model may take; 0: what the machine has free
  std::filesystem::path weight_cache = {};  // folder of packed weights, where a model does not say; "": none
  std::uint64_t weight_cache_bytes = 0;     // most that it may hold; 0: any number
  std::filesystem::path user_cache = {};    // where option.weight_cache=on has it
};

// Loads checkpoints into engines. What a load throws names the setting that caused it, where one did: dtype,
// n_positions, tensor_parallel_degree.
ModelLoader engine_loader(const EngineLoaderOptions& options);

}  // namespace ganglion::server
