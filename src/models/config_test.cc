#include "models/config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "models/opt.h"
#include "models/registry.h"

namespace ganglion::models {
namespace {

nlohmann::json opt_125m() {
  return {{"model_type", "opt"},        {"vocab_size", 50272},
          {"hidden_size", 768},         {"num_hidden_layers", 12},
          {"num_attention_heads", 12},  {"ffn_dim", 3072},
          {"word_embed_proj_dim", 768}, {"max_position_embeddings", 2048},
          {"torch_dtype", "float16"}};
}

// The error of a config with one field changed.
Error refusal(const std::string& field, const nlohmann::json& value) {
  nlohmann::json json = opt_125m();
  json[field] = value;
  try {
    parse_config(json.dump(), "here/config.json");
  } catch (const Error& error) {
    return error;
  }
  return Error(Code::kInternal, "nothing was thrown for " + field + "=" + value.dump());
}

TEST(Config, ReadsAnOptConfig) {
  nlohmann::json json = opt_125m();
  json["do_layer_norm_before"] = false;
  json["word_embed_proj_dim"] = 512;
  json["activation_function"] = "gelu";
  json["tie_word_embeddings"] = false;
  const Config config = parse_config(json.dump(), "config.json");
  EXPECT_EQ(config.model_type, "opt");
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.kv_heads, 12);
  const auto& opt = std::any_cast<const OptConfig&>(config.own);
  EXPECT_EQ(opt.embed_dim, 512);
  EXPECT_FALSE(opt.norm_before);
  EXPECT_FALSE(opt.final_norm);
  EXPECT_FALSE(config.tied_head);
  EXPECT_EQ(config.activation, ActivationFunction::kGeluErf);
  EXPECT_EQ(config.eos, 2);
  EXPECT_EQ(config.dtype, "float16");
}

TEST(Config, RefusesNumbersThatNoModelHas) {
  for (const char* field : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "ffn_dim",
                            "max_position_embeddings", "word_embed_proj_dim"}) {
    for (const nlohmann::json& value :
         {nlohmann::json(0), nlohmann::json(-1), nlohmann::json(1e300), nlohmann::json(std::uint64_t{1} << 63),
          nlohmann::json("12"), nlohmann::json(1.5), nlohmann::json(std::int64_t{1} << 40), nlohmann::json::array()}) {
      const Error error = refusal(field, value);
      EXPECT_EQ(error.code(), Code::kInvalidArgument) << error.what();
      EXPECT_NE(std::string(error.what()).find(field), std::string::npos) << error.what();
    }
  }
  EXPECT_EQ(refusal("num_attention_heads", 7).code(), Code::kInvalidArgument);
  EXPECT_EQ(refusal("eos_token_id", 50272).code(), Code::kInvalidArgument);
  EXPECT_EQ(refusal("enable_bias", "yes").code(), Code::kInvalidArgument);
}

TEST(Config, RefusesAnUnknownFamilyOrActivationByName) {
  EXPECT_EQ(refusal("model_type", "mamba").code(), Code::kUnsupported);
  EXPECT_NE(std::string(refusal("model_type", "mamba").what()).find("mamba"), std::string::npos);
  EXPECT_EQ(refusal("activation_function", "gelu_10").code(), Code::kUnsupported);
  EXPECT_NE(std::string(refusal("activation_function", "gelu_10").what()).find("gelu_10"), std::string::npos);
  EXPECT_EQ(refusal("model_type", nullptr).code(), Code::kInvalidArgument);
}

TEST(Config, RefusesFieldsThatWouldChangeTheMathematicsInEveryFamily) {
  const nlohmann::json families[] = {
      opt_125m(),
      {{"model_type", "gpt2"}, {"vocab_size", 100}, {"n_embd", 32}, {"n_layer", 1}, {"n_head", 4}, {"n_positions", 64}},
      {{"model_type", "gptj"}, {"vocab_size", 100}, {"n_embd", 32}, {"n_layer", 1}, {"n_head", 4}, {"n_positions", 64}},
      {{"model_type", "gpt_bigcode"},
       {"vocab_size", 100},
       {"n_embd", 32},
       {"n_layer", 1},
       {"n_head", 4},
       {"n_positions", 64}},
      {{"model_type", "llama"},
       {"vocab_size", 100},
       {"hidden_size", 32},
       {"num_hidden_layers", 1},
       {"num_attention_heads", 4},
       {"intermediate_size", 48},
       {"max_position_embeddings", 64}}};
  const std::pair<const char*, nlohmann::json> fields[] = {{"quantization_config", {{"quant_method", "gptq"}}},
                                                           {"add_cross_attention", true},
                                                           {"is_encoder_decoder", true},
                                                           {"sliding_window", 4096},
                                                           {"pruned_heads", {{"1", {0}}}},
                                                           {"alibi", true},
                                                           {"final_logit_softcapping", 30.0},
                                                           {"num_local_experts", 8},
                                                           {"logit_scale", 0.5}};
  for (const nlohmann::json& family : families) {
    EXPECT_NO_THROW(parse_config(family.dump(), "config.json")) << family;
    for (const auto& [key, value] : fields) {
      nlohmann::json json = family;
      json[key] = value;
      try {
        parse_config(json.dump(), "config.json");
        ADD_FAILURE() << key << " was ignored by " << family["model_type"];
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::kUnsupported) << error.what();
        EXPECT_NE(std::string(error.what()).find(key), std::string::npos) << error.what();
      }
    }
    nlohmann::json harmless = family;
    harmless["sliding_window"] = nullptr;
    harmless["add_cross_attention"] = false;
    harmless["attention_dropout"] = 0.3;
    harmless["pretraining_tp"] = 2;
    harmless["use_cache"] = false;
    harmless["pruned_heads"] = nlohmann::json::object();
    EXPECT_NO_THROW(parse_config(harmless.dump(), "config.json")) << family;
  }
}

TEST(Config, ACorruptedFieldOfAnyFamilyNeverPasses) {
  for (const char* field : {"rms_norm_eps", "num_key_value_heads", "head_dim", "hidden_act", "rope_theta"}) {
    for (const nlohmann::json& value :
         {nlohmann::json("x"), nlohmann::json(-1), nlohmann::json::array(), nlohmann::json(1e300)}) {
      const nlohmann::json json = {{"model_type", "llama"},
                                   {"vocab_size", 100},
                                   {"hidden_size", 32},
                                   {"num_hidden_layers", 1},
                                   {"num_attention_heads", 4},
                                   {"intermediate_size", 48},
                                   {"max_position_embeddings", 64},
                                   {field, value}};
      try {
        parse_config(json.dump(), "config.json");
        ADD_FAILURE() << json;
      } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find(field), std::string::npos) << error.what();
      }
    }
  }
}

TEST(Config, RefusesWhatIsNotAConfig) {
  const auto code = [](const std::string& text) {
    try {
      parse_config(text, "config.json");
    } catch (const Error& error) {
      return error.code();
    }
    return Code::kInternal;
  };
  EXPECT_EQ(code("[]"), Code::kDataCorrupt);
  EXPECT_EQ(code("{"), Code::kDataCorrupt);
  EXPECT_EQ(code("{}"), Code::kInvalidArgument);
  EXPECT_EQ(code(std::string(1 << 18, '[')), Code::kDataCorrupt);
}

TEST(Config, KnowsThePublishedShapes) {
  EXPECT_EQ(published_shape("opt-1.3b").layers, 24);
  const Config small = published_shape("opt-350m");
  EXPECT_EQ(std::any_cast<const OptConfig&>(small.own).embed_dim, 512);
  EXPECT_FALSE(std::any_cast<const OptConfig&>(small.own).norm_before);
  EXPECT_THROW(published_shape("opt-9000b"), Error);
}

TEST(Registry, SaysWhichTensorParallelDegreesWork) {
  const Config config = published_shape("opt-125m");
  for (const int tp : {1, 2, 3, 4, 6, 12}) EXPECT_NO_THROW(check_tp(config, tp));
  for (const int tp : {0, -1, 5, 8, 24}) {
    try {
      check_tp(config, tp);
      ADD_FAILURE() << tp;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find("1, 2, 3, 4, 6, 12"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace ganglion::models
