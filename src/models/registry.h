// The families ganglion knows, as a literal table: one line each.
#pragma once

#include <string_view>
#include <vector>

#include "models/config.h"
#include "models/step.h"

namespace ganglion::models {

struct StepOptions {
  Types types;
  StepSize size;
  int tp = 1;
};

struct Family {
  std::string_view model_type;  // config.json's
  Step (*build)(const Config& config, const StepOptions& options, const WeightFinder& weights);
  std::vector<std::string> optional_prefixes;  // of weight names in checkpoints
};

const std::vector<Family>& families();
// kUnsupported with the list of families there are.
const Family& find_family(std::string_view model_type);
// Which tp degrees a config allows, and why another one is refused: kInvalidArgument naming heads and the degrees that
// work.
void check_tp(const Config& config, int tp);

}  // namespace ganglion::models
