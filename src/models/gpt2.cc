#include "models/gpt2.h"

#include <fmt/core.h>

#include <cmath>

#include "base/error.h"
#include "models/config_reader.h"
#include "models/step_frame.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/vocabulary.h"

namespace ganglion::models {
namespace {

const Gpt2Config& own(const Config& config) { return std::any_cast<const Gpt2Config&>(config.own); }

hlo::Value norm(const Config& config, const nn::Scope& scope, hlo::Value x) {
  return nn::layer_norm(scope, {.size = config.hidden, .epsilon = config.norm_epsilon}, x);
}

nn::AttentionOptions attention_options(const Config& config, std::int64_t layer) {
  const Gpt2Config& gpt2 = own(config);
  nn::AttentionOptions options{
      .hidden = config.hidden, .heads = config.heads, .kv_heads = config.kv_heads, .head_dim = config.head_dim};
  float scale = gpt2.scale_attention ? 1.0f / std::sqrt(static_cast<float>(config.head_dim)) : 1.0f;
  if (gpt2.scale_by_inverse_layer) scale /= static_cast<float>(layer + 1);
  options.scale = scale;
  options.projections = gpt2.grouped ? nn::grouped_projections("c_attn", options)
                                     : nn::joined_projections("c_attn", options, gpt2.transposed);
  options.projections.out = {"c_proj", {.transposed = gpt2.transposed}};
  return options;
}

// x f32[T, hidden] to the same.
hlo::Value decoder_layer(const Config& config, const nn::Scope& scope, std::int64_t layer,
                         const nn::TokenInputs& tokens, nn::LayerCache& cache, hlo::Value x) {
  x = x + nn::attention(scope.at("attn"), attention_options(config, layer), tokens, cache,
                        norm(config, scope.at("ln_1"), x));
  return x + nn::mlp(scope.at("mlp.c_fc"), scope.at("mlp.c_proj"),
                     {.hidden = config.hidden,
                      .inner = config.ffn,
                      .activation = config.activation,
                      .transposed = own(config).transposed},
                     norm(config, scope.at("ln_2"), x));
}

// What gpt2 and gpt_bigcode spell alike.
Config read_shared(const ConfigReader& reader, const char* activation, Gpt2Config& gpt2) {
  Config config;
  config.vocab = reader.integer("vocab_size", 1, 1 << 24);
  config.hidden = reader.integer("n_embd", 1, 1 << 17);
  config.layers = reader.integer("n_layer", 1, 1024);
  config.heads = config.kv_heads = reader.integer("n_head", 1, 1 << 12);
  config.ffn = reader.integer("n_inner", 1, 1 << 20, 4 * config.hidden);
  config.max_positions = reader.integer("n_positions", 1, 1 << 22);
  if (config.hidden % config.heads != 0) {
    fail(Code::kInvalidArgument, "[{}] n_head={} must divide n_embd={}", reader.place(), config.heads, config.hidden);
  }
  config.head_dim = config.hidden / config.heads;
  config.activation = reader.activation("activation_function", activation);
  config.norm_epsilon = static_cast<float>(reader.number("layer_norm_epsilon", 0, 1, 1e-5));
  config.tied_head = reader.flag("tie_word_embeddings", true);
  gpt2.scale_attention = reader.flag("scale_attn_weights", true);
  read_token_ids(reader, config, 50256, 50256, std::nullopt);
  config.dtype = reader.text("torch_dtype", "");
  return config;
}

}  // namespace

Step build_gpt2_step(const Config& config, const StepOptions& options, const WeightFinder& weights) {
  StepFrame frame(config, options, weights);
  hlo::Builder& builder = frame.builder();
  const auto family = builder.place("[" + config.model_type + "]");
  const nn::Scope model(frame.weights(), "transformer");

  nn::VocabularyMatrix token_table;
  hlo::Value x;
  {
    const auto place = builder.place("embedding");
    token_table = nn::vocabulary_matrix(model.at("wte"), config.vocab, config.hidden);
    x = nn::embed_tokens(model, token_table, frame.token_ids());  // [T, hidden]
    x = x + nn::embed_positions(model.at("wpe"), config.max_positions, config.hidden, frame.tokens().position);
  }
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const auto place = builder.place(fmt::format("layer {}", i));
    x = decoder_layer(config, model.at(fmt::format("h.{}", i)), i, frame.tokens(), frame.caches().add_layer(), x);
  }
  const auto place = builder.place("head");
  x = norm(config, model.at("ln_f"), frame.wanted_rows(x));  // [R, hidden]
  const nn::VocabularyMatrix head =
      config.tied_head ? token_table
                       : nn::vocabulary_matrix(nn::Scope(frame.weights(), "lm_head"), config.vocab, config.hidden);
  return frame.finish(nn::lm_head(model, head, x));
}

Config read_gpt2_config(const ConfigReader& reader) {
  Gpt2Config gpt2;
  Config config = read_shared(reader, "gelu_new", gpt2);
  gpt2.scale_by_inverse_layer = reader.flag("scale_attn_by_inverse_layer_idx", false);
  config.own = gpt2;
  return config;
}

Config read_gpt_bigcode_config(const ConfigReader& reader) {
  Gpt2Config gpt2;
  Config config = read_shared(reader, "gelu_pytorch_tanh", gpt2);
  gpt2.transposed = false;
  gpt2.grouped = !reader.flag("multi_query", true);
  if (!gpt2.grouped) config.kv_heads = 1;
  config.own = gpt2;
  return config;
}

namespace {

Config published(const char* model_type, std::int64_t hidden, std::int64_t layers, std::int64_t heads,
                 std::int64_t vocab, std::int64_t positions) {
  Config config;
  config.model_type = model_type;
  config.vocab = vocab;
  config.hidden = hidden;
  config.layers = layers;
  config.heads = config.kv_heads = heads;
  config.head_dim = hidden / heads;
  config.ffn = 4 * hidden;
  config.max_positions = positions;
  config.activation = ActivationFunction::kGeluTanh;
  config.bos = config.eos = vocab == 50257 ? 50256 : 0;
  config.dtype = "float32";
  config.own = Gpt2Config{};
  return config;
}

}  // namespace

std::vector<PublishedShape> published_gpt2_shapes() {
  return {{"gpt2", published("gpt2", 768, 12, 12, 50257, 1024)},
          {"gpt2-medium", published("gpt2", 1024, 24, 16, 50257, 1024)},
          {"gpt2-large", published("gpt2", 1280, 36, 20, 50257, 1024)},
          {"gpt2-xl", published("gpt2", 1600, 48, 25, 50257, 1024)}};
}

std::vector<PublishedShape> published_gpt_bigcode_shapes() {
  std::vector<PublishedShape> shapes = {{"starcoderbase-1b", published("gpt_bigcode", 2048, 24, 16, 49152, 8192)},
                                        {"starcoder", published("gpt_bigcode", 6144, 40, 48, 49152, 8192)}};
  for (PublishedShape& shape : shapes) {
    shape.config.kv_heads = 1;
    shape.config.own = Gpt2Config{.transposed = false};
  }
  return shapes;
}

}  // namespace ganglion::models
