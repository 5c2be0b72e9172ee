#include "models/rope_config.h"

#include "base/error.h"

namespace ganglion::models {
namespace {

constexpr double kLargestTheta = 1e12;
constexpr double kLargestFactor = 1e4;
constexpr std::int64_t kMostPositions = 1 << 22;

// The type, which two fields may name; they may not disagree.
std::string type_of(const ConfigReader& scaling) {
  const std::string old_name = scaling.text("type", "");
  const std::string name = scaling.text("rope_type", old_name.empty() ? "default" : old_name);
  if (!old_name.empty() && old_name != name) {
    fail(Code::kInvalidArgument, "[{}] type=\"{}\" and rope_type=\"{}\" disagree", scaling.place(), old_name, name);
  }
  return name;
}

void read_scaling(const ConfigReader& scaling, Config& config) {
  nn::RotaryOptions& rotary = *config.rotary;
  const std::string type = type_of(scaling);
  rotary.theta = scaling.number("rope_theta", 1, kLargestTheta, rotary.theta);
  if (type == "default") return scaling.refuse_all_unread({"factor"});
  const auto read_factor = [&] { rotary.factor = scaling.number("factor", 1, kLargestFactor); };
  const std::int64_t stated = config.max_positions;
  if (type == "linear" || type == "dynamic") {
    read_factor();
    rotary.scaling = type == "linear" ? nn::RotaryScaling::kLinear : nn::RotaryScaling::kDynamic;
    rotary.original_positions = stated;
    if (scaling.integer("original_max_position_embeddings", 1, kMostPositions, stated) != stated) {
      fail(Code::kUnsupported,
           "[{}] original_max_position_embeddings with type=\"{}\": supported is the value of max_position_embeddings, "
           "{}, from which that scaling starts",
           scaling.place(), type, stated);
    }
    const double longer = static_cast<double>(stated) * rotary.factor;
    config.max_positions = longer < kMostPositions ? static_cast<std::int64_t>(longer) : kMostPositions;
  } else if (type == "llama3") {
    read_factor();
    rotary.scaling = nn::RotaryScaling::kLlama3;
    rotary.low_freq_factor = scaling.number("low_freq_factor", 1e-6, kLargestFactor);
    rotary.high_freq_factor = scaling.number("high_freq_factor", 1e-6, kLargestFactor);
    rotary.original_positions = scaling.integer("original_max_position_embeddings", 1, kMostPositions);
    if (rotary.high_freq_factor <= rotary.low_freq_factor) {
      fail(Code::kInvalidArgument, "[{}] high_freq_factor={} must be larger than low_freq_factor={}", scaling.place(),
           rotary.high_freq_factor, rotary.low_freq_factor);
    }
  } else {
    fail(Code::kUnsupported, "[{}] type=\"{}\" is not supported; supported: default, linear, dynamic, llama3",
         scaling.place(), type);
  }
  if (rotary.scaling == nn::RotaryScaling::kDynamic && rotary.dim < 4) {
    fail(Code::kUnsupported, "[{}] type=\"dynamic\" with heads of {}: at least 4 is supported", scaling.place(),
         rotary.dim);
  }
  scaling.refuse_all_unread();
}

}  // namespace

void read_rope(const ConfigReader& reader, std::int64_t dim, Config& config) {
  config.rotary = nn::RotaryOptions{.dim = dim, .theta = reader.number("rope_theta", 1, kLargestTheta, 10000.0)};
  const auto scaling = reader.object("rope_scaling");
  const auto parameters = reader.object("rope_parameters");
  if (scaling && parameters) {
    fail(Code::kInvalidArgument, "[{}] rope_scaling and rope_parameters are both there; one is wanted", reader.place());
  }
  if (scaling) read_scaling(*scaling, config);
  if (parameters) read_scaling(*parameters, config);
}

}  // namespace ganglion::models
