// What one prediction request asks for, read from its body and checked against the model's limits: the bodies that the
// handlers of djl_python understand.
//   {"text": "..."|["..."], "seq_length": n}                       -> {"outputs": [...]}
//   {"inputs": "..."|["..."], "seq_length": n}                     -> [...]
//   {"inputs": "..."|["..."], "parameters": {...}, "stream": bool} -> [{"generated_text": ...}] or one line per token
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"

namespace ganglion::server {

struct Task {
  enum class Form { kText, kInputs, kParameters };

  Form form = Form::kText;
  std::vector<std::string> prompts;

  // Of the first two forms: sample() of transformers-neuronx, exactly this many tokens, prompt included.
  std::int64_t seq_length = 50;

  // Of the third: ordinary generation, as Hugging Face's generate() names it.
  std::optional<std::int64_t> max_new_tokens;
  std::optional<std::int64_t> max_length;  // prompt included
  std::optional<std::vector<std::int32_t>> eos_ids;
  bool ignore_eos = false;
  std::optional<bool> return_full_text;
  bool details = false;
  bool stream = false;
  std::string cache_salt;  // see engine::Request

  engine::Sampling sampling;
};

struct TaskLimits {
  std::int64_t batch_size = 1;
  std::int64_t n_positions = 128;
  std::int64_t vocabulary = 0;
};

// Tokens that the third form adds when nothing says how many (fewer when n_positions leaves less room).
inline constexpr std::int64_t kDefaultNewTokens = 30;

inline constexpr std::size_t kLongestCacheSalt = 256;  // bytes

// Errors: kInvalidArgument for what is missing, of another type or out of range; kUnsupported for parameters of
// generate() that are not served (beams, stop strings), by name. Messages start with [request].
Task parse_task(std::string_view body, const TaskLimits& limits);

}  // namespace ganglion::server
