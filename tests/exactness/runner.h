// Runs requests on an engine and waits for all of them.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/engine.h"

namespace ganglion::exactness {

struct Generated {
  std::vector<std::int32_t> ids;
  std::vector<std::vector<float>> logits;  // of each new token, when the request wanted them
};

// Submits all at once, then waits. Throws what a request ended with. Each request's on_token is set here.
std::vector<Generated> run_together(engine::Engine& engine, std::vector<engine::Request> requests, std::int64_t vocab);
// One after the other.
std::vector<Generated> run_alone(engine::Engine& engine, const std::vector<engine::Request>& requests,
                                 std::int64_t vocab);

}  // namespace ganglion::exactness
