#include "server/engine_predictor.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "checkpoint/packed_folder.h"
#include "engine/model.h"
#include "models/registry.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace ganglion::server {
namespace {

class TokenText : public TextStream {
 public:
  TokenText(const tokenizer::Tokenizer& tokenizer, const tokenizer::DecodeOptions& options)
      : decoder_(tokenizer, options) {}
  std::string push(std::int32_t id) override { return decoder_.push(id); }
  std::string flush() override { return decoder_.flush(); }

 private:
  tokenizer::StreamDecoder decoder_;
};

class EnginePredictor : public Predictor {
 public:
  explicit EnginePredictor(engine::Model model) : model_(std::move(model)) {
    std::size_t longest = 1;
    for (std::int32_t id = 0; id < model_.tokenizer->vocab_size(); ++id)
      longest = std::max(longest, model_.tokenizer->token_bytes(id).size());
    longest_prompt_ = longest * static_cast<std::size_t>(model_.engine->n_positions());
  }

  std::vector<std::int32_t> encode(std::string_view text) const override { return model_.tokenizer->encode(text); }
  std::string decode(std::span<const std::int32_t> ids, Specials specials) const override {
    return model_.tokenizer->decode(ids, {.skip_special_tokens = specials == Specials::kSkip});
  }
  std::unique_ptr<TextStream> open_stream(Specials specials) const override {
    return std::make_unique<TokenText>(*model_.tokenizer,
                                       tokenizer::DecodeOptions{.skip_special_tokens = specials == Specials::kSkip});
  }
  bool is_special(std::int32_t id) const override { return model_.tokenizer->is_special(id); }
  std::vector<std::int32_t> eos_ids() const override { return model_.config.eos_ids(); }
  std::int64_t vocabulary() const override { return model_.config.vocab; }
  std::int64_t n_positions() const override { return model_.engine->n_positions(); }
  std::size_t longest_prompt_bytes() const override { return longest_prompt_; }
  std::uint64_t submit(engine::Request request) override { return model_.engine->submit(std::move(request)); }
  void cancel(std::uint64_t id) override { model_.engine->cancel(id); }

 private:
  engine::Model model_;
  std::size_t longest_prompt_ = 0;
};

bool tp_fits(const models::Config& config, int tp) {
  try {
    models::check_tp(config, tp);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// "max": the largest degree that the heads allow, up to the hardware's threads.
int tp_of(const ModelSettings& settings, const models::Config& config) {
  if (!settings.tensor_parallel_degree) {
    int tp = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    while (tp > 1 && !tp_fits(config, tp)) --tp;
    return tp;
  }
  try {
    models::check_tp(config, *settings.tensor_parallel_degree);
  } catch (const Error& error) {
    fail(error.code(), "[serving.properties] option.tensor_parallel_degree={}: {}", *settings.tensor_parallel_degree,
         error.what());
  }
  return *settings.tensor_parallel_degree;
}

// `parse` of what an option says; its errors name the option.
template <typename Parse>
auto option(const char* name, const std::string& value, const Parse& parse) {
  try {
    return parse(value);
  } catch (const Error& error) {
    fail(error.code(), "[serving.properties] option.{}={}: {}", name, value, error.what());
  }
}

// quantize decides the weights; what is left to dtype then is the cache, unless that is said too.
models::Types types_of(const ModelSettings& settings) {
  models::Types types = option("dtype", settings.dtype, engine::parse_types);
  types.group = settings.group_size;
  if (!settings.quantize.empty()) types.storage = option("quantize", settings.quantize, engine::parse_quantize);
  if (!settings.kv_cache_dtype.empty() && settings.kv_cache_dtype != "auto") {
    types.kv = option("kv_cache_dtype", settings.kv_cache_dtype, engine::parse_cache_type);
  }
  return types;
}

}  // namespace

ModelLoader engine_loader(const EngineLoaderOptions& options) {
  return [options](const ModelEntry& entry, const ModelSettings& settings) -> std::shared_ptr<Predictor> {
    const models::Config config = models::read_config(settings.model_folder);
    if (settings.n_positions > config.max_positions) {
      fail(Code::kInvalidArgument,
           "[serving.properties] option.n_positions={}: the model has {} positions; wanted at most that many",
           settings.n_positions, config.max_positions);
    }
    engine::EngineOptions engine_options;
    engine_options.types = types_of(settings);
    engine_options.tp = tp_of(settings, config);
    engine_options.n_positions = settings.n_positions;
    engine_options.max_sequences = settings.max_rolling_batch_size;
    engine_options.max_batch_tokens = settings.max_rolling_batch_prefill_tokens;
    engine_options.prefix_cache = settings.enable_prefix_caching;
    engine_options.queue_capacity = settings.job_queue_size;
    engine_options.isa = options.isa;
    engine_options.memory_bytes = options.memory_bytes;
    engine_options.weight_cache =
        settings.weight_cache.empty()
            ? options.weight_cache
            : checkpoint::packed_folder(settings.weight_cache, options.user_cache).value_or("");
    engine_options.weight_cache_bytes = options.weight_cache_bytes;
    engine_options.pool = options.pool;
    engine_options.metrics = options.registry;
    engine_options.metric_model = entry.name;
    engine_options.on_progress = engine::every_tenth([name = entry.name](const engine::LoadProgress& progress) {
      log::info("[server] {}: {}", name, progress.text());
    });
    engine::Model model = engine::load_model(settings.model_folder, engine_options);
    log::info("[server] {}: {}", entry.name, model.report.text());
    return std::make_shared<EnginePredictor>(std::move(model));
  };
}

}  // namespace ganglion::server
