// The families ganglion knows, as a literal table: one line each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/config.h"
#include "models/step.h"

namespace ganglion::models {

class ConfigReader;

struct StepOptions {
  Types types;
  StepSize size;
  int tp = 1;
};

struct PublishedShape {
  std::string name;  // "opt-1.3b"
  Config config;
};

struct Family {
  std::string_view model_type;  // config.json's
  Config (*read)(const ConfigReader& reader);
  Step (*build)(const Config& config, const StepOptions& options, const WeightFinder& weights);
  std::vector<PublishedShape> (*published_shapes)();
  std::vector<std::string> optional_prefixes;  // of weight names in checkpoints
};

const std::vector<Family>& families();
// kUnsupported with the list of families there are.
const Family& find_family(std::string_view model_type);
// Which tp degrees a config allows, and why another one is refused: kInvalidArgument naming heads and the degrees that
// work.
void check_tp(const Config& config, int tp);

}  // namespace ganglion::models
