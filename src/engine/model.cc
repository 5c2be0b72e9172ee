#include "engine/model.h"

#include <array>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "checkpoint/packed_cache.h"
#include "checkpoint/store.h"
#include "models/registry.h"

namespace ganglion::engine {
namespace {

class PhaseTimer {
 public:
  explicit PhaseTimer(std::vector<LoadPhase>& phases) : phases_(phases) {}
  void done(const std::string& name) {
    const auto now = std::chrono::steady_clock::now();
    phases_.push_back({name, std::chrono::duration<double>(now - since_).count()});
    since_ = now;
  }

 private:
  std::vector<LoadPhase>& phases_;
  std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
};

}  // namespace

Model load_model(const std::filesystem::path& folder, const EngineOptions& options) {
  Model out;
  PhaseTimer timer(out.report.phases);
  out.folder = folder;
  out.config = models::read_config(folder);
  const models::Family& family = models::find_family(out.config.model_type);
  timer.done("config");
  if (options.needs_tokenizer || tokenizer::Tokenizer::is_in(folder))
    out.tokenizer = tokenizer::Tokenizer::load(folder);
  timer.done("tokenizer");
  const checkpoint::Store store = checkpoint::Store::open(folder);
  EngineOptions with_cache = options;
  std::optional<checkpoint::PackedCache> cache;
  if (!options.weight_cache.empty() && options.pool != nullptr) {
    std::vector<std::filesystem::path> sources = checkpoint::files_of(store.files());
    sources.push_back(folder / "config.json");
    cache.emplace(options.weight_cache, std::move(sources), *options.pool, options.weight_cache_bytes);
    with_cache.packed_weights = &*cache;
  }
  timer.done("checkpoint");
  out.engine =
      std::make_unique<Engine>(out.config, models::checkpoint_weights(store, family.optional_prefixes), with_cache);
  const LoadReport& rest = out.engine->load_report();
  std::vector<LoadPhase> phases = std::move(out.report.phases);
  phases.insert(phases.end(), rest.phases.begin(), rest.phases.end());
  out.report = rest;
  out.report.phases = std::move(phases);
  return out;
}

DType parse_cache_type(const std::string& text) {
  if (text == "s8" || text == "int8") return DType::kS8;
  try {
    const DType kv = parse_types(text).storage;
    if (is_float(kv)) return kv;
  } catch (const Error&) {  // said below in this place's words
  }
  fail(Code::kInvalidArgument,
       "[model] cache in {}: wanted f32 (fp32, float32), f16 (fp16, float16), bf16 (bfloat16) "
       "or s8 (int8)",
       text);
}

DType parse_quantize(const std::string& text) {
  if (text == "static_int8" || text == "s8" || text == "int8") return DType::kS8;
  if (text == "s4" || text == "int4") return DType::kS4;
  fail(Code::kInvalidArgument, "[model] quantize={}: wanted static_int8 (s8, int8) or s4 (int4)", text);
}

models::Types parse_types(const std::string& dtype) {
  struct Row {
    std::string_view name;
    DType dtype;
  };
  constexpr std::array<Row, 12> kNames = {{{"f32", DType::kF32},
                                           {"fp32", DType::kF32},
                                           {"float32", DType::kF32},
                                           {"f16", DType::kF16},
                                           {"fp16", DType::kF16},
                                           {"float16", DType::kF16},
                                           {"bf16", DType::kBF16},
                                           {"bfloat16", DType::kBF16},
                                           {"s8", DType::kS8},
                                           {"int8", DType::kS8},
                                           {"s4", DType::kS4},
                                           {"int4", DType::kS4}}};
  for (const Row& row : kNames) {
    const DType kv = is_float(row.dtype) ? row.dtype : DType::kF16;
    if (row.name == dtype) return {.storage = row.dtype, .activation = DType::kF32, .kv = kv};
  }
  fail(Code::kInvalidArgument,
       "[model] dtype={}: wanted f32 (fp32, float32), f16 (fp16, float16), bf16 (bfloat16), s8 (int8) or s4 (int4)",
       dtype);
}

}  // namespace ganglion::engine
