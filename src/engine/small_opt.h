// For tests: an OPT that computes in no time.
#pragma once

#include <cstdint>

#include "models/opt.h"

namespace ganglion::engine {

inline models::Config small_opt(std::int64_t layers = 2) {
  models::Config config;
  config.model_type = "opt";
  config.vocab = 61;
  config.hidden = 32;
  config.own = models::OptConfig{.embed_dim = 32};
  config.layers = layers;
  config.heads = config.kv_heads = 4;
  config.head_dim = 8;
  config.ffn = 64;
  config.max_positions = 256;
  config.tied_head = false;
  config.eos = 2;
  return config;
}

}  // namespace ganglion::engine
