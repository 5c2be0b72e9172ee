#include "server/task.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"

namespace ganglion::server {
namespace {

using Json = nlohmann::json;

// "a string", "a list of 3": what a value is, for messages; numbers and words as they are.
std::string seen(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return value.empty() ? "an empty list" : fmt::format("a list of {}", value.size());
    case Json::value_t::string: {
      const std::string& text = value.get_ref<const std::string&>();
      return text.size() <= 40 ? fmt::format("the string \"{}\"", text)
                               : fmt::format("a string of {} bytes", text.size());
    }
    default:
      return value.dump();
  }
}

// A whole number from low to high; JSON's 5.0 counts as 5.
std::int64_t whole_number(const Json& value, const std::string& name, std::int64_t low, std::int64_t high,
                          const char* why) {
  std::optional<std::int64_t> number;
  if (value.is_number_unsigned()) {
    const auto wide = value.get<std::uint64_t>();
    if (wide <= static_cast<std::uint64_t>(high)) number = static_cast<std::int64_t>(wide);
  } else if (value.is_number_integer()) {
    number = value.get<std::int64_t>();
  } else if (value.is_number_float()) {
    const double real = value.get<double>();
    if (real == std::floor(real) && std::abs(real) < 9e15) number = static_cast<std::int64_t>(real);
  }
  if (!number || *number < low || *number > high) {
    fail(Code::kInvalidArgument, "[request] {} is {}; wanted a whole number from {} to {}{}", name, seen(value), low,
         high, why);
  }
  return *number;
}

double real_number(const Json& value, const std::string& name, double above, double to, const char* wanted) {
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  if (!(number > above && number <= to))
    fail(Code::kInvalidArgument, "[request] {} is {}; wanted {}", name, seen(value), wanted);
  return number;
}

bool truth(const Json& value, const std::string& name) {
  if (!value.is_boolean()) fail(Code::kInvalidArgument, "[request] {} is {}; wanted true or false", name, seen(value));
  return value.get<bool>();
}

std::vector<std::string> read_prompts(const Json& value, const std::string& name, const TaskLimits& limits) {
  const std::string wanted = limits.batch_size == 1
                                 ? "a string or a list of 1 string"
                                 : fmt::format("a string or a list of 1 to {} strings", limits.batch_size);
  if (value.is_string()) return {value.get<std::string>()};
  if (!value.is_array() || value.empty())
    fail(Code::kInvalidArgument, "[request] {} is {}; wanted {}", name, seen(value), wanted);
  if (value.size() > static_cast<std::size_t>(limits.batch_size)) {
    fail(Code::kInvalidArgument,
         "[request] {} has {} prompts; wanted at most {} (option.batch_size in serving.properties)", name, value.size(),
         limits.batch_size);
  }
  std::vector<std::string> prompts;
  for (const Json& item : value) {
    if (!item.is_string())
      fail(Code::kInvalidArgument, "[request] {}[{}] is {}; wanted a string", name, prompts.size(), seen(item));
    prompts.push_back(item.get<std::string>());
  }
  return prompts;
}

// Parameters of generate() that are accepted only with the value that changes nothing.
struct Neutral {
  const char* name;
  double value;
};
constexpr Neutral kNeutral[] = {
    {"num_beams", 1},
    {"num_beam_groups", 1},
    {"num_return_sequences", 1},
    {"best_of", 1},
    {"repetition_penalty", 1},
    {"presence_penalty", 0},
    {"frequency_penalty", 0},
    {"typical_p", 1},
    {"min_p", 0},
    {"penalty_alpha", 0},
    {"no_repeat_ngram_size", 0},
    {"encoder_no_repeat_ngram_size", 0},
    {"min_length", 0},
    {"min_new_tokens", 0},
    {"diversity_penalty", 0},
    {"epsilon_cutoff", 0},
    {"eta_cutoff", 0},
    {"length_penalty", 1},
    {"encoder_repetition_penalty", 1},
    {"early_stopping", 0},
    {"renormalize_logits", 0},
    {"watermark", 0},
};

bool is_neutral(const Json& value, double neutral) {
  if (value.is_null()) return true;
  if (value.is_boolean()) return (value.get<bool>() ? 1.0 : 0.0) == neutral;
  return value.is_number() && value.get<double>() == neutral;
}

void read_eos_ids(const Json& value, Task& task, const TaskLimits& limits) {
  std::vector<std::int32_t> ids;
  const auto add = [&](const Json& id) {
    ids.push_back(static_cast<std::int32_t>(
        whole_number(id, "parameters.eos_token_id", 0, limits.vocabulary - 1, " (a token id)")));
  };
  if (value.is_array() && value.size() <= 64) {
    for (const Json& id : value) add(id);
  } else {
    add(value);
  }
  task.eos_ids = std::move(ids);
}

void read_parameter(const std::string& name, const Json& value, Task& task, const TaskLimits& limits, bool& sample) {
  const std::string place = "parameters." + name;
  if (value.is_null()) return;  // generate() takes None for "not given"
  if (name == "max_new_tokens") {
    task.max_new_tokens =
        whole_number(value, place, 1, limits.n_positions, " (option.n_positions in serving.properties)");
  } else if (name == "max_length") {
    task.max_length = whole_number(value, place, 1, limits.n_positions, " (option.n_positions in serving.properties)");
  } else if (name == "do_sample") {
    sample = truth(value, place);
  } else if (name == "temperature") {
    task.sampling.temperature = real_number(value, place, 0, 1e6, "a number above 0 (do_sample=false is greedy)");
  } else if (name == "top_k") {
    task.sampling.top_k = whole_number(value, place, 0, std::int64_t{1} << 31, " (0: all tokens)");
  } else if (name == "top_p") {
    task.sampling.top_p = real_number(value, place, 0, 1, "a number above 0, at most 1");
  } else if (name == "seed") {
    if (!value.is_number_unsigned())
      fail(Code::kInvalidArgument, "[request] {} is {}; wanted a whole number from 0 to 2^64-1", place, seen(value));
    task.sampling.seed = value.get<std::uint64_t>();
  } else if (name == "return_full_text") {
    task.return_full_text = truth(value, place);
  } else if (name == "details") {
    task.details = truth(value, place);
  } else if (name == "ignore_eos_token") {
    task.ignore_eos = truth(value, place);
  } else if (name == "eos_token_id") {
    read_eos_ids(value, task, limits);
  } else if (name == "cache_salt") {
    if (!value.is_string() || value.get_ref<const std::string&>().size() > kLongestCacheSalt)
      fail(Code::kInvalidArgument, "[request] {} is {}; wanted a string of at most {} bytes", place, seen(value),
           kLongestCacheSalt);
    task.cache_salt = value.get<std::string>();
  } else if (name == "use_cache" || name == "pad_token_id" || name == "bos_token_id") {
    // Nothing is padded, the cache is always used, and the tokenizer knows its own begin of text.
  } else if ((name == "stop_sequences" || name == "stop" || name == "bad_words_ids") && value.is_array() &&
             value.empty()) {
    // Nothing asked for.
  } else {
    for (const Neutral& neutral : kNeutral) {
      if (name == neutral.name && is_neutral(value, neutral.value)) return;
    }
    fail(Code::kUnsupported,
         "[request] {} = {} is not supported; supported are max_new_tokens, max_length, do_sample, temperature, top_k, "
         "top_p, seed, "
         "return_full_text, details, ignore_eos_token, eos_token_id and cache_salt",
         place, seen(value));
  }
}

void read_parameters(const Json& body, Task& task, const TaskLimits& limits) {
  task.sampling.top_k = 50;  // generate()'s default
  bool sample = false;
  if (const auto found = body.find("parameters"); found != body.end() && !found->is_null()) {
    if (!found->is_object()) fail(Code::kInvalidArgument, "[request] parameters is {}; wanted an object", seen(*found));
    for (const auto& [name, value] : found->items()) read_parameter(name, value, task, limits, sample);
  }
  task.sampling.greedy = !sample;
  if (const auto found = body.find("stream"); found != body.end()) task.stream = truth(*found, "stream");
  if (task.stream && task.prompts.size() > 1) {
    fail(Code::kInvalidArgument, "[request] inputs has {} prompts; a stream has exactly 1", task.prompts.size());
  }
}

}  // namespace

Task parse_task(std::string_view body_text, const TaskLimits& limits) {
  if (body_text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    fail(Code::kInvalidArgument, "[request] the body is empty; wanted a JSON object with \"text\" or \"inputs\"");
  }
  // The front end has bounded the size already.
  const JsonLimits json_limits{.bytes = body_text.size(), .malformed = Code::kInvalidArgument};
  const Json body = parse_json(body_text, "request body", json_limits);
  if (!body.is_object())
    fail(Code::kInvalidArgument, "[request] the body is {}; wanted an object with \"text\" or \"inputs\"", seen(body));
  const bool text = body.contains("text"), inputs = body.contains("inputs");
  if (text == inputs) {
    fail(Code::kInvalidArgument, "[request] {}; wanted one of \"text\" and \"inputs\" with the prompts",
         text ? "both text and inputs are given" : "text is missing");
  }
  Task task;
  const bool streams = body.contains("stream") && body["stream"] != Json(false);
  if (text) {
    task.form = Task::Form::kText;
  } else {
    task.form = body.contains("parameters") || streams ? Task::Form::kParameters : Task::Form::kInputs;
  }
  task.prompts = read_prompts(body[text ? "text" : "inputs"], text ? "text" : "inputs", limits);
  const auto seq_length = body.find("seq_length");
  if (task.form == Task::Form::kParameters) {
    if (seq_length != body.end()) {
      fail(Code::kInvalidArgument, "[request] seq_length is given together with parameters; use parameters.max_length");
    }
    read_parameters(body, task, limits);
    return task;
  }
  if (seq_length != body.end()) {
    task.seq_length =
        whole_number(*seq_length, "seq_length", 1, limits.n_positions, " (option.n_positions in serving.properties)");
  } else if (task.seq_length > limits.n_positions) {
    task.seq_length = limits.n_positions;
  }
  task.sampling = {
      .greedy = false, .temperature = 1.0, .top_k = 50, .top_p = 1.0, .seed = std::nullopt, .suppress_eos = true};
  return task;
}

}  // namespace ganglion::server
