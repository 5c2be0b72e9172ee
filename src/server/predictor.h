// What the handler needs of a model: text to ids, ids to text, and tokens one by one. EnginePredictor
// (engine_predictor.h) is the real one; tests have their own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"

namespace ganglion::server {

enum class Specials : std::uint8_t { kKeep, kSkip };

// Text of one stream of tokens, in whole characters.
class TextStream {
 public:
  virtual ~TextStream() = default;
  virtual std::string push(std::int32_t id) = 0;
  virtual std::string flush() = 0;
};

// All methods are thread-safe.
class Predictor {
 public:
  virtual ~Predictor() = default;

  virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  virtual std::string decode(std::span<const std::int32_t> ids, Specials specials) const = 0;
  // Must not outlive the predictor.
  virtual std::unique_ptr<TextStream> open_stream(Specials specials) const = 0;
  virtual bool is_special(std::int32_t id) const = 0;
  virtual std::vector<std::int32_t> eos_ids() const = 0;
  virtual std::int64_t vocabulary() const = 0;
  // Most tokens of prompt and answer together.
  virtual std::int64_t n_positions() const = 0;
  // A text with more bytes than this has more than n_positions tokens, whatever it says.
  virtual std::size_t longest_prompt_bytes() const = 0;

  // As engine::Engine::submit and cancel.
  virtual std::uint64_t submit(engine::Request request) = 0;
  virtual void cancel(std::uint64_t id) = 0;
};

}  // namespace ganglion::server
