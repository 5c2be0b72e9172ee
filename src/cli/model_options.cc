#include "cli/model_options.h"

#include <CLI/CLI.hpp>
#include <limits>

#include "base/cores.h"
#include "checkpoint/packed_folder.h"
#include "engine/model.h"

namespace ganglion::cli {

std::int64_t memory_setting(const Settings& settings) {
  return settings.integer("GANGLION_MEMORY_BYTES", 1, std::numeric_limits<std::int64_t>::max()).value_or(0);
}

std::filesystem::path weight_cache_setting(const Settings& settings) {
  return checkpoint::packed_folder(settings.value("GANGLION_WEIGHT_CACHE"), settings.user_cache()).value_or("");
}

std::uint64_t weight_cache_size_setting(const Settings& settings) {
  return checkpoint::packed_folder_bytes(settings.value("GANGLION_WEIGHT_CACHE_SIZE"),
                                         "environment: GANGLION_WEIGHT_CACHE_SIZE");
}

void add_model_options(CLI::App& verb, const Settings& settings, ModelOptions& options) {
  options.threads = static_cast<int>(settings.integer("GANGLION_THREADS", 1, 1024).value_or(available_cores()));
  options.isa = settings.value("GANGLION_ISA");
  options.memory_bytes = memory_setting(settings);
  options.dtype = "f32";
  options.weight_cache = settings.value("GANGLION_WEIGHT_CACHE");
  options.weight_cache_bytes = weight_cache_size_setting(settings);
  options.user_cache = settings.user_cache();
  verb.add_option("--weight-cache", options.weight_cache,
                  "keep packed weights on disk for a faster next start: off, on or a folder")
      ->capture_default_str();
  verb.add_option("--dtype", options.dtype, "storage of weights and cache: f32, f16, bf16, s8 or s4")
      ->capture_default_str();
  verb.add_option("--group-size", options.group, "with s4: neighbours that share a scale, 32, 64 or 128")
      ->capture_default_str()
      ->check(CLI::IsMember({32, 64, 128}));
  verb.add_option("--kv-dtype", options.kv_dtype,
                  "storage of the cache: f32, f16, bf16 or s8 (default: as --dtype, f16 with s8 and s4)");
  verb.add_option("--tp", options.tp, "tensor parallel degree")->capture_default_str()->check(CLI::Range(1, 128));
  verb.add_option("--threads", options.threads, "compute threads")->capture_default_str()->check(CLI::Range(1, 1024));
  verb.add_option("--n-positions", options.n_positions, "most tokens of one sequence (default: the model's)")
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--isa", options.isa, "kernel table: scalar, avx2, avx512, avx512_vnni or amx (default: the best)");
}

engine::EngineOptions engine_options_of(const ModelOptions& options, ThreadPool& pool) {
  engine::EngineOptions out;
  out.types = engine::parse_types(options.dtype);
  out.types.group = options.group;
  if (!options.kv_dtype.empty()) out.types.kv = engine::parse_cache_type(options.kv_dtype);
  out.tp = options.tp;
  out.n_positions = options.n_positions;
  out.isa = options.isa;
  out.memory_bytes = options.memory_bytes;
  out.weight_cache = checkpoint::packed_folder(options.weight_cache, options.user_cache).value_or("");
  out.weight_cache_bytes = options.weight_cache_bytes;
  out.pool = &pool;
  return out;
}

}  // namespace ganglion::cli
