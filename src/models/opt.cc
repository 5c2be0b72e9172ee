#include "models/opt.h"

#include <fmt/core.h>

#include "base/error.h"
#include "models/config_reader.h"
#include "models/step_frame.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/vocabulary.h"

namespace ganglion::models {
namespace {

// Rows 0 and 1 of the position table are the padding's.
constexpr std::int64_t kPositionOffset = 2;

const OptConfig& own(const Config& config) { return std::any_cast<const OptConfig&>(config.own); }

hlo::Value norm(const Config& config, const nn::Scope& scope, hlo::Value x) {
  return nn::layer_norm(scope,
                        {.size = config.hidden, .epsilon = config.norm_epsilon, .affine = own(config).norm_affine}, x);
}

// x f32[T, hidden] to the same.
hlo::Value decoder_layer(const Config& config, const nn::Scope& layer, const nn::TokenInputs& tokens,
                         nn::LayerCache& cache, hlo::Value x) {
  const auto self_attention = [&](hlo::Value y) {
    return nn::attention(layer.at("self_attn"),
                         {.hidden = config.hidden,
                          .heads = config.heads,
                          .kv_heads = config.kv_heads,
                          .head_dim = config.head_dim,
                          .bias = own(config).bias,
                          .out_bias = own(config).bias},
                         tokens, cache, y);
  };
  const auto feed_forward = [&](hlo::Value y) {
    return nn::mlp(
        layer.at("fc1"), layer.at("fc2"),
        {.hidden = config.hidden, .inner = config.ffn, .activation = config.activation, .bias = own(config).bias}, y);
  };
  const nn::Scope attention_norm = layer.at("self_attn_layer_norm");
  const nn::Scope mlp_norm = layer.at("final_layer_norm");
  if (own(config).norm_before) {
    x = x + self_attention(norm(config, attention_norm, x));
    return x + feed_forward(norm(config, mlp_norm, x));
  }
  x = norm(config, attention_norm, x + self_attention(x));
  return norm(config, mlp_norm, x + feed_forward(x));
}

}  // namespace

Step build_opt_step(const Config& config, const StepOptions& options, const WeightFinder& weights) {
  StepFrame frame(config, options, weights);
  hlo::Builder& builder = frame.builder();
  const auto family = builder.place("[opt]");
  const nn::Scope model(frame.weights(), "model");
  const nn::Scope decoder = model.at("decoder");
  const std::int64_t embed_dim = own(config).embed_dim;
  const bool projected = embed_dim != config.hidden;

  nn::VocabularyMatrix token_table;
  hlo::Value x;
  {
    const auto place = builder.place("embedding");
    token_table = nn::vocabulary_matrix(decoder.at("embed_tokens"), config.vocab, embed_dim);
    x = nn::embed_tokens(decoder, token_table, frame.token_ids());  // [T, embed_dim]
    if (projected) {
      x = nn::linear(decoder.at("project_in"), {.in = embed_dim, .out = config.hidden, .bias = false}, x);
    }
    const hlo::Value offset =
        hlo::broadcast_like(builder.scalar(DType::kS32, kPositionOffset), frame.tokens().position, {});
    x = x + nn::embed_positions(decoder.at("embed_positions"), config.max_positions + kPositionOffset, config.hidden,
                                frame.tokens().position + offset);
  }
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const auto place = builder.place(fmt::format("layer {}", i));
    x = decoder_layer(config, decoder.at(fmt::format("layers.{}", i)), frame.tokens(), frame.caches().add_layer(), x);
  }
  const auto place = builder.place("head");
  x = frame.wanted_rows(x);  // [R, hidden]
  if (own(config).norm_before && own(config).final_norm) x = norm(config, decoder.at("final_layer_norm"), x);
  if (projected) {
    x = nn::linear(decoder.at("project_out"), {.in = config.hidden, .out = embed_dim, .bias = false}, x);
  }
  const nn::VocabularyMatrix head =
      config.tied_head ? token_table
                       : nn::vocabulary_matrix(nn::Scope(frame.weights(), "lm_head"), config.vocab, embed_dim);
  return frame.finish(nn::lm_head(decoder, head, x));
}

Config read_opt_config(const ConfigReader& reader) {
  Config config;
  OptConfig opt;
  config.vocab = reader.integer("vocab_size", 1, 1 << 24);
  config.hidden = reader.integer("hidden_size", 1, 1 << 17);
  config.layers = reader.integer("num_hidden_layers", 1, 1024);
  config.heads = reader.integer("num_attention_heads", 1, 1 << 12);
  config.ffn = reader.integer("ffn_dim", 1, 1 << 20);
  config.max_positions = reader.integer("max_position_embeddings", 1, 1 << 22);
  opt.embed_dim = reader.integer("word_embed_proj_dim", 1, 1 << 17, config.hidden);
  if (config.hidden % config.heads != 0) {
    fail(Code::kInvalidArgument, "[{}] num_attention_heads={} must divide hidden_size={}", reader.place(), config.heads,
         config.hidden);
  }
  config.kv_heads = config.heads;
  config.head_dim = config.hidden / config.heads;
  config.activation = reader.activation("activation_function", "relu");
  config.tied_head = reader.flag("tie_word_embeddings", true);
  opt.norm_before = reader.flag("do_layer_norm_before", true);
  opt.final_norm = opt.norm_before && !reader.flag("_remove_final_layer_norm", false);
  opt.bias = reader.flag("enable_bias", true);
  opt.norm_affine = reader.flag("layer_norm_elementwise_affine", true);
  config.own = opt;
  read_token_ids(reader, config, 2, 2, 1);
  config.dtype = reader.text("torch_dtype", "");
  return config;
}

std::vector<PublishedShape> published_opt_shapes() {
  struct Row {
    const char* name;
    std::int64_t hidden, layers, heads, ffn;
  };
  constexpr Row kRows[] = {
      {"opt-125m", 768, 12, 12, 3072},   {"opt-350m", 1024, 24, 16, 4096},  {"opt-1.3b", 2048, 24, 32, 8192},
      {"opt-2.7b", 2560, 32, 32, 10240}, {"opt-6.7b", 4096, 32, 32, 16384}, {"opt-13b", 5120, 40, 40, 20480},
      {"opt-30b", 7168, 48, 56, 28672},  {"opt-66b", 9216, 64, 72, 36864},
  };
  std::vector<PublishedShape> shapes;
  for (const Row& row : kRows) {
    Config config;
    OptConfig opt;
    config.model_type = "opt";
    config.vocab = 50272;
    config.hidden = opt.embed_dim = row.hidden;
    config.layers = row.layers;
    config.heads = config.kv_heads = row.heads;
    config.head_dim = row.hidden / row.heads;
    config.ffn = row.ffn;
    config.max_positions = 2048;
    config.bos = config.eos = 2;
    config.pad = 1;
    config.dtype = "float16";
    if (config.hidden == 1024) {  // opt-350m alone: post-norm, and embeddings half as wide as the layers
      opt.norm_before = opt.final_norm = false;
      opt.embed_dim = 512;
    }
    config.own = opt;
    shapes.push_back({row.name, config});
  }
  return shapes;
}

}  // namespace ganglion::models
