#include <fmt/ranges.h>

#include "base/error.h"
#include "checkpoint/quantize.h"
#include "checkpoint/random_source.h"
#include "checkpoint/store.h"
#include "models/step.h"

namespace ganglion::models {
namespace {

// FNV-1a, so that a weight's numbers depend on its name and the seed, not on the order of declaration.
std::uint64_t hash(const std::string& text, std::uint64_t seed) {
  std::uint64_t value = 0xcbf29ce484222325u ^ (seed * 0x9e3779b97f4a7c15u);
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return value;
}

}  // namespace

std::string stored_name(const checkpoint::Store& store, const std::string& name,
                        const std::vector<std::string>& optional_prefixes) {
  if (store.has(name)) return name;
  for (const std::string& prefix : optional_prefixes) {
    if (name.starts_with(prefix) && store.has(name.substr(prefix.size()))) return name.substr(prefix.size());
    if (store.has(prefix + name)) return prefix + name;
  }
  fail(Code::kNotFound, "[{}] the checkpoint has no weight \"{}\"; it must be there for this config.json",
       store.folder().string(), name);
}

WeightFinder checkpoint_weights(const checkpoint::Store& store, const std::vector<std::string>& optional_prefixes) {
  return [&store, optional_prefixes](const std::string& name, const Dims& dims) {
    const std::string stored = stored_name(store, name, optional_prefixes);
    std::shared_ptr<const TensorSource> source = store.source(stored);
    const bool whole_numbers = dims.size() == 2 && source->dims().size() == 2 && store.has(stored + "_scale");
    if (whole_numbers && source->dtype() == DType::kU8) source = checkpoint::numbers_of(std::move(source));
    if (source->dims() != dims) {
      fail(Code::kDataCorrupt, "[{}] weight \"{}\" has dims [{}]; config.json asks for [{}]", store.folder().string(),
           stored, fmt::join(source->dims(), ","), fmt::join(dims, ","));
    }
    const DType type = source->dtype();
    if (!is_float(type) && !(whole_numbers && (type == DType::kS8 || type == DType::kS4))) {
      fail(Code::kUnsupported, "[{}] weight \"{}\" is {}; f32, f16 and bf16 are supported, and s8 and s4 with scales",
           store.folder().string(), stored, dtype_name(type));
    }
    return source;
  };
}

WeightFinder random_weights(std::uint64_t seed) {
  return [seed](const std::string& name, const Dims& dims) {
    const bool is_norm = dims.size() == 1 && name.ends_with(".weight");
    if (is_norm) return checkpoint::constant_source(DType::kF32, dims, 1);
    return checkpoint::random_source(DType::kF32, dims, 0.02, hash(name, seed));
  };
}

}  // namespace ganglion::models
