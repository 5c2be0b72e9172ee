#include "models/config_reader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "models/config.h"

namespace ganglion::models {
namespace {

// A value in a message, never longer than a line.
std::string shown(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace

ConfigReader::ConfigReader(const nlohmann::json& object, std::string place)
    : object_(object), place_(std::move(place)) {
  if (!object.is_object()) fail(Code::kDataCorrupt, "[{}] a JSON object is wanted, not {}", place_, object.type_name());
}

const nlohmann::json* ConfigReader::find(const char* key) const {
  read_.insert(key);
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::int64_t ConfigReader::integer(const char* key, std::int64_t low, std::int64_t high,
                                   std::optional<std::int64_t> otherwise) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) {
    if (otherwise) return *otherwise;
    fail(Code::kInvalidArgument, "[{}] {} is missing; it must be a number from {} to {}", place_, key, low, high);
  }
  const bool fits = value->is_number_unsigned() ? value->get<std::uint64_t>() <= std::uint64_t(INT64_MAX)
                                                : value->is_number_integer();
  if (!fits || value->get<std::int64_t>() < low || value->get<std::int64_t>() > high) {
    fail(Code::kInvalidArgument, "[{}] {}={}: it must be a whole number from {} to {}", place_, key, shown(*value), low,
         high);
  }
  return value->get<std::int64_t>();
}

bool ConfigReader::flag(const char* key, bool otherwise) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean())
    fail(Code::kInvalidArgument, "[{}] {}={}: it must be true or false", place_, key, shown(*value));
  return value->get<bool>();
}

std::string ConfigReader::text(const char* key, const std::string& otherwise) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) fail(Code::kInvalidArgument, "[{}] {}={}: it must be a text", place_, key, shown(*value));
  return value->get<std::string>();
}

double ConfigReader::number(const char* key, double low, double high, std::optional<double> otherwise) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) {
    if (otherwise) return *otherwise;
    fail(Code::kInvalidArgument, "[{}] {} is missing; it must be a number from {} to {}", place_, key, low, high);
  }
  if (!value->is_number() || !(value->get<double>() >= low) || !(value->get<double>() <= high)) {
    fail(Code::kInvalidArgument, "[{}] {}={}: it must be a number from {} to {}", place_, key, shown(*value), low,
         high);
  }
  return value->get<double>();
}

std::vector<std::int64_t> ConfigReader::token_ids(const char* key, std::int64_t vocab,
                                                  std::optional<std::int64_t> otherwise) const {
  constexpr std::size_t kMost = 64;
  const nlohmann::json* value = find(key);
  if (value == nullptr || !value->is_array()) {
    const std::int64_t id = integer(key, -1, vocab - 1, otherwise.value_or(-1));
    return id < 0 ? std::vector<std::int64_t>{} : std::vector<std::int64_t>{id};
  }
  std::vector<std::int64_t> ids;
  for (const nlohmann::json& element : *value) {
    const bool fits = element.is_number_unsigned() && element.get<std::uint64_t>() < static_cast<std::uint64_t>(vocab);
    if (!fits || ids.size() == kMost) {
      fail(Code::kInvalidArgument, "[{}] {}={}: it must be at most {} whole numbers from 0 to {}", place_, key,
           shown(*value), kMost, vocab - 1);
    }
    ids.push_back(element.get<std::int64_t>());
  }
  return ids;
}

nn::ActivationFunction ConfigReader::activation(const char* key, const std::string& otherwise) const {
  using nn::ActivationFunction;
  static constexpr std::pair<std::string_view, ActivationFunction> kNames[] = {
      {"relu", ActivationFunction::kRelu},           {"gelu", ActivationFunction::kGeluErf},
      {"gelu_python", ActivationFunction::kGeluErf}, {"gelu_new", ActivationFunction::kGeluTanh},
      {"gelu_fast", ActivationFunction::kGeluTanh},  {"gelu_pytorch_tanh", ActivationFunction::kGeluTanh},
      {"silu", ActivationFunction::kSilu},           {"swish", ActivationFunction::kSilu},
  };
  const std::string name = text(key, otherwise);
  std::vector<std::string_view> known;
  for (const auto& [spelled, function] : kNames) {
    if (name == spelled) return function;
    known.push_back(spelled);
  }
  fail(Code::kUnsupported, "[{}] {}=\"{}\" is not supported; supported: {}", place_, key, name, fmt::join(known, ", "));
}

std::optional<ConfigReader> ConfigReader::object(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) {
    fail(Code::kInvalidArgument, "[{}] {}={}: it must be an object", place_, key, shown(*value));
  }
  return ConfigReader(*value, place_ + " " + key);
}

void ConfigReader::refuse_unread() const {
  using nlohmann::json;
  // Fields of transformers' families that change what a decoder computes, and the values with which they do not.
  static const std::vector<std::pair<const char*, std::vector<json>>> kFields = {
      {"is_encoder_decoder", {false}},
      {"add_cross_attention", {false}},
      {"pruned_heads", {json::object()}},
      {"sliding_window", {}},
      {"use_sliding_window", {false}},
      {"attention_window_size", {}},
      {"layer_types", {}},
      {"rope_scaling", {}},
      {"rope_parameters", {}},
      {"rope_theta", {}},
      {"rotary_dim", {}},
      {"rotary_pct", {}},
      {"partial_rotary_factor", {1.0, 1}},
      {"alibi", {false}},
      {"position_embedding_type", {"absolute"}},
      {"attention_bias", {false}},
      {"mlp_bias", {false}},
      {"qkv_bias", {false}},
      {"head_dim", {}},
      {"num_key_value_heads", {}},
      {"multi_query", {false}},
      {"attention_head_type", {"multihead"}},
      {"parallel_attn", {false}},
      {"use_parallel_residual", {false}},
      {"use_qk_norm", {false}},
      {"qk_norm", {false}},
      {"qk_layernorm", {false}},
      {"clip_qkv", {}},
      {"attn_logit_softcapping", {}},
      {"final_logit_softcapping", {}},
      {"logit_scale", {1.0, 1}},
      {"logits_scaling", {1.0, 1}},
      {"embedding_multiplier", {1.0, 1}},
      {"residual_multiplier", {1.0, 1}},
      {"attention_multiplier", {}},
      {"query_pre_attn_scalar", {}},
      {"scale_embedding", {false}},
      {"scale_attn_weights", {true}},
      {"scale_attn_by_inverse_layer_idx", {false}},
      {"num_local_experts", {0, 1}},
      {"num_experts", {0, 1}},
  };
  for (const auto& [key, neutral] : kFields) {
    if (read_.contains(key)) continue;
    const auto found = object_.find(key);
    if (found == object_.end() || found->is_null()) continue;
    if (std::find(neutral.begin(), neutral.end(), *found) != neutral.end()) continue;
    std::string wanted = "leave it out";
    for (const json& value : neutral) wanted += " or set it to " + value.dump();
    fail(Code::kUnsupported, "[{}] {}={} is not supported for this family; supported: {}", place_, key, shown(*found),
         neutral.empty() ? "none" : wanted);
  }
}

void ConfigReader::refuse_all_unread(std::initializer_list<const char*> harmless) const {
  for (const auto& [key, value] : object_.items()) {
    const bool is_harmless = std::find(harmless.begin(), harmless.end(), key) != harmless.end();
    if (read_.contains(key) || is_harmless || value.is_null()) continue;
    fail(Code::kUnsupported, "[{}] {}={} is not supported here", place_, key, shown(value));
  }
}

void read_token_ids(const ConfigReader& reader, Config& config, std::optional<std::int64_t> bos,
                    std::optional<std::int64_t> eos, std::optional<std::int64_t> pad) {
  const auto first = [](const std::vector<std::int64_t>& ids) { return ids.empty() ? -1 : ids.front(); };
  // A default that the vocabulary does not have is none.
  const auto fitting = [&](std::optional<std::int64_t> id) { return id && *id < config.vocab ? id : std::nullopt; };
  config.bos = first(reader.token_ids("bos_token_id", config.vocab, fitting(bos)));
  config.pad = first(reader.token_ids("pad_token_id", config.vocab, fitting(pad)));
  const std::vector<std::int64_t> ends = reader.token_ids("eos_token_id", config.vocab, fitting(eos));
  config.eos = first(ends);
  if (ends.size() > 1) config.more_eos.assign(ends.begin() + 1, ends.end());
}

}  // namespace ganglion::models
