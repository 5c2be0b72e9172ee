#include "models/llama.h"

#include <fmt/core.h>

#include "base/error.h"
#include "models/config_reader.h"
#include "models/rope_config.h"
#include "models/step_frame.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/rotary.h"
#include "nn/vocabulary.h"

namespace ganglion::models {
namespace {

const LlamaConfig& own(const Config& config) { return std::any_cast<const LlamaConfig&>(config.own); }

hlo::Value norm(const Config& config, const nn::Scope& scope, hlo::Value x) {
  return nn::rms_norm(scope, config.hidden, config.norm_epsilon, x);
}

// x f32[T, hidden] to the same.
hlo::Value decoder_layer(const Config& config, const nn::Scope& layer, const nn::TokenInputs& tokens,
                         const nn::Rotary& rotary, nn::LayerCache& cache, hlo::Value x) {
  const nn::AttentionOptions attention{.hidden = config.hidden,
                                       .heads = config.heads,
                                       .kv_heads = config.kv_heads,
                                       .head_dim = config.head_dim,
                                       .bias = own(config).attention_bias,
                                       .out_bias = own(config).attention_bias,
                                       .rotary = &rotary,
                                       .projections = {.out = {"o_proj"}}};
  x = x + nn::attention(layer.at("self_attn"), attention, tokens, cache, norm(config, layer.at("input_layernorm"), x));
  const nn::Scope mlp = layer.at("mlp");
  return x + nn::gated_mlp(mlp.at("gate_proj"), mlp.at("up_proj"), mlp.at("down_proj"),
                           {.hidden = config.hidden,
                            .inner = config.ffn,
                            .activation = config.activation,
                            .bias = own(config).mlp_bias},
                           norm(config, layer.at("post_attention_layernorm"), x));
}

}  // namespace

Step build_llama_step(const Config& config, const StepOptions& options, const WeightFinder& weights) {
  StepFrame frame(config, options, weights);
  hlo::Builder& builder = frame.builder();
  const auto family = builder.place("[llama]");
  const nn::Scope model(frame.weights(), "model");

  nn::VocabularyMatrix token_table;
  hlo::Value x;
  nn::Rotary rotary;
  {
    const auto place = builder.place("embedding");
    token_table = nn::vocabulary_matrix(model.at("embed_tokens"), config.vocab, config.hidden);
    x = nn::embed_tokens(model, token_table, frame.token_ids());  // [T, hidden]
    rotary = nn::make_rotary(frame.weights(), config.rotary.value(), frame.tokens(), config.max_positions);
  }
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const auto place = builder.place(fmt::format("layer {}", i));
    x = decoder_layer(config, model.at(fmt::format("layers.{}", i)), frame.tokens(), rotary, frame.caches().add_layer(),
                      x);
  }
  const auto place = builder.place("head");
  x = norm(config, model.at("norm"), frame.wanted_rows(x));  // [R, hidden]
  const nn::VocabularyMatrix head =
      config.tied_head ? token_table
                       : nn::vocabulary_matrix(nn::Scope(frame.weights(), "lm_head"), config.vocab, config.hidden);
  return frame.finish(nn::lm_head(model, head, x));
}

Config read_llama_config(const ConfigReader& reader) {
  Config config;
  config.vocab = reader.integer("vocab_size", 1, 1 << 24);
  config.hidden = reader.integer("hidden_size", 1, 1 << 17);
  config.layers = reader.integer("num_hidden_layers", 1, 1024);
  config.heads = reader.integer("num_attention_heads", 1, 1 << 12);
  config.kv_heads = reader.integer("num_key_value_heads", 1, config.heads, config.heads);
  config.ffn = reader.integer("intermediate_size", 1, 1 << 20);
  config.max_positions = reader.integer("max_position_embeddings", 1, 1 << 22);
  if (config.heads % config.kv_heads != 0) {
    fail(Code::kInvalidArgument, "[{}] num_key_value_heads={} must divide num_attention_heads={}", reader.place(),
         config.kv_heads, config.heads);
  }
  if (!reader.has("head_dim") && config.hidden % config.heads != 0) {
    fail(Code::kInvalidArgument, "[{}] num_attention_heads={} must divide hidden_size={}, or head_dim be given",
         reader.place(), config.heads, config.hidden);
  }
  config.head_dim = reader.integer("head_dim", 2, 1 << 12, config.hidden / config.heads);
  if (config.head_dim % 2 != 0) {
    fail(Code::kInvalidArgument, "[{}] head_dim={}: it must be even, for rotary positions", reader.place(),
         config.head_dim);
  }
  read_rope(reader, config.head_dim, config);
  config.activation = reader.activation("hidden_act", "silu");
  config.norm_epsilon = static_cast<float>(reader.number("rms_norm_eps", 0, 1, 1e-6));
  config.tied_head = reader.flag("tie_word_embeddings", false);
  config.own =
      LlamaConfig{.attention_bias = reader.flag("attention_bias", false), .mlp_bias = reader.flag("mlp_bias", false)};
  read_token_ids(reader, config, 1, 2, std::nullopt);
  config.dtype = reader.text("torch_dtype", reader.text("dtype", ""));
  return config;
}

std::vector<PublishedShape> published_llama_shapes() {
  struct Row {
    const char* name;
    std::int64_t hidden, layers, heads, kv_heads, ffn, vocab, positions;
    double theta;
  };
  constexpr Row kRows[] = {
      {"llama-1.1b", 2048, 22, 32, 4, 5632, 32000, 2048, 1e4},  // TinyLlama
      {"llama-2-7b", 4096, 32, 32, 32, 11008, 32000, 4096, 1e4},
      {"llama-2-13b", 5120, 40, 40, 40, 13824, 32000, 4096, 1e4},
      {"llama-2-70b", 8192, 80, 64, 8, 28672, 32000, 4096, 1e4},
      {"llama-3-8b", 4096, 32, 32, 8, 14336, 128256, 8192, 5e5},
      {"llama-3-70b", 8192, 80, 64, 8, 28672, 128256, 8192, 5e5},
      {"llama-3.2-1b", 2048, 16, 32, 8, 8192, 128256, 131072, 5e5},
      {"llama-3.2-3b", 3072, 28, 24, 8, 8192, 128256, 131072, 5e5},
  };
  std::vector<PublishedShape> shapes;
  for (const Row& row : kRows) {
    Config config;
    config.model_type = "llama";
    config.vocab = row.vocab;
    config.hidden = row.hidden;
    config.layers = row.layers;
    config.heads = row.heads;
    config.kv_heads = row.kv_heads;
    config.head_dim = row.hidden / row.heads;
    config.ffn = row.ffn;
    config.max_positions = row.positions;
    config.activation = ActivationFunction::kSilu;
    config.tied_head = false;
    config.rotary = nn::RotaryOptions{.dim = config.head_dim, .theta = row.theta};
    config.bos = row.vocab == 32000 ? 1 : 128000;
    config.eos = row.vocab == 32000 ? 2 : 128001;
    config.dtype = "bfloat16";
    config.own = LlamaConfig{};
    if (row.positions == 131072) {
      config.tied_head = true;
      config.rotary->scaling = nn::RotaryScaling::kLlama3;
      config.rotary->factor = 32;
      config.rotary->low_freq_factor = 1;
      config.rotary->high_freq_factor = 4;
      config.rotary->original_positions = 8192;
    }
    shapes.push_back({row.name, config});
  }
  return shapes;
}

}  // namespace ganglion::models
