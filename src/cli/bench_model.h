// What the benchmarks and `ganglion profile` run: a checkpoint, or a published shape with seeded random weights, and
// requests that are all alike.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/store.h"
#include "cli/model_source.h"
#include "engine/engine.h"
#include "models/config.h"
#include "models/step.h"

namespace ganglion::cli {

struct BenchModel {
  std::string name;  // as it was asked for
  models::Config config;
  std::unique_ptr<checkpoint::Store> store;  // what the weights are read from; null with random ones
  models::WeightFinder weights;
};
// The checkpoint, when its text is not empty, else the shape. Errors: bring_model, read_config, Store::open;
// kNotFound for an unknown shape.
BenchModel open_bench_model(const std::string& shape, const ModelSource& model, const Settings& settings,
                            const std::string& verb);

// The options --shape, whose default is what `shape` holds, or --model and --revision.
void add_shape_or_model(CLI::App& verb, std::string& shape, ModelSource& model);

struct EqualRequests {
  std::int64_t count = 1;
  std::int64_t prompt = 0;  // tokens; no two prompts are alike
  std::int64_t vocab = 0;
  std::int64_t new_tokens = 1;
  std::int64_t first = 0;  // number of the first one's prompt
  // They begin in one step, for which the engine makes one step more before; otherwise as they come.
  bool together = true;
};

// Runs the requests at once; returns, per request, the time it was submitted and the time of each new token. Throws the
// error of a request that had one.
std::vector<std::vector<std::chrono::steady_clock::time_point>> run_equal_requests(engine::Engine& engine,
                                                                                   const EqualRequests& wanted);

}  // namespace ganglion::cli
