#include "models/gptj.h"

#include <fmt/core.h>

#include "base/error.h"
#include "models/config_reader.h"
#include "models/step_frame.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/rotary.h"
#include "nn/vocabulary.h"

namespace ganglion::models {
namespace {

hlo::Value norm(const Config& config, const nn::Scope& scope, hlo::Value x) {
  return nn::layer_norm(scope, {.size = config.hidden, .epsilon = config.norm_epsilon}, x);
}

// x f32[T, hidden] to the same.
hlo::Value decoder_layer(const Config& config, const nn::Scope& layer, const nn::TokenInputs& tokens,
                         const nn::Rotary& rotary, nn::LayerCache& cache, hlo::Value x) {
  const hlo::Value y = norm(config, layer.at("ln_1"), x);
  const hlo::Value attended = nn::attention(layer.at("attn"),
                                            {.hidden = config.hidden,
                                             .heads = config.heads,
                                             .kv_heads = config.kv_heads,
                                             .head_dim = config.head_dim,
                                             .bias = false,
                                             .out_bias = false,
                                             .rotary = &rotary},
                                            tokens, cache, y);
  return x + attended +
         nn::mlp(layer.at("mlp.fc_in"), layer.at("mlp.fc_out"),
                 {.hidden = config.hidden, .inner = config.ffn, .activation = config.activation}, y);
}

}  // namespace

Step build_gptj_step(const Config& config, const StepOptions& options, const WeightFinder& weights) {
  StepFrame frame(config, options, weights);
  hlo::Builder& builder = frame.builder();
  const auto family = builder.place("[gptj]");
  const nn::Scope model(frame.weights(), "transformer");

  nn::VocabularyMatrix token_table;
  hlo::Value x;
  nn::Rotary rotary;
  {
    const auto place = builder.place("embedding");
    token_table = nn::vocabulary_matrix(model.at("wte"), config.vocab, config.hidden);
    x = nn::embed_tokens(model, token_table, frame.token_ids());  // [T, hidden]
    rotary = nn::make_rotary(frame.weights(), config.rotary.value(), frame.tokens(), config.max_positions);
  }
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const auto place = builder.place(fmt::format("layer {}", i));
    x = decoder_layer(config, model.at(fmt::format("h.{}", i)), frame.tokens(), rotary, frame.caches().add_layer(), x);
  }
  const auto place = builder.place("head");
  x = norm(config, model.at("ln_f"), frame.wanted_rows(x));  // [R, hidden]
  const nn::Scope lm_head(frame.weights(), "lm_head");
  const nn::VocabularyMatrix head =
      config.tied_head ? token_table : nn::vocabulary_matrix(lm_head, config.vocab, config.hidden);
  return frame.finish(nn::lm_head(model, head, x, nn::vocabulary_bias(lm_head, config.vocab)));
}

Config read_gptj_config(const ConfigReader& reader) {
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
  nn::RotaryOptions rotary;
  rotary.dim = reader.integer("rotary_dim", 2, config.head_dim, config.head_dim);  // null: the whole head
  if (rotary.dim % 2 != 0) {
    fail(Code::kInvalidArgument, "[{}] rotary_dim={}: it must be even", reader.place(), rotary.dim);
  }
  rotary.pairs = nn::RotaryPairs::kNeighbours;
  config.rotary = rotary;
  config.activation = reader.activation("activation_function", "gelu_new");
  config.norm_epsilon = static_cast<float>(reader.number("layer_norm_epsilon", 0, 1, 1e-5));
  config.tied_head = reader.flag("tie_word_embeddings", false);
  read_token_ids(reader, config, 50256, 50256, std::nullopt);
  config.dtype = reader.text("torch_dtype", "");
  return config;
}

std::vector<PublishedShape> published_gptj_shapes() {
  Config config;
  config.model_type = "gptj";
  config.vocab = 50400;
  config.hidden = 4096;
  config.layers = 28;
  config.heads = config.kv_heads = 16;
  config.head_dim = 256;
  config.ffn = 16384;
  config.max_positions = 2048;
  config.activation = ActivationFunction::kGeluTanh;
  config.tied_head = false;
  config.rotary = nn::RotaryOptions{.dim = 64, .pairs = nn::RotaryPairs::kNeighbours};
  config.bos = config.eos = 50256;
  config.dtype = "float16";
  return {{"gpt-j-6b", config}};
}

}  // namespace ganglion::models
