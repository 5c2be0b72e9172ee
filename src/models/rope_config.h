// Rotary positions in a config.json, which several families spell alike.
#pragma once

#include <cstdint>

#include "models/config.h"
#include "models/config_reader.h"

namespace ganglion::models {

// Reads rope_theta and rope_scaling ({"type": ..} of before 2024 or {"rope_type": ..}) or rope_parameters into
// config.rotary, over `dim` features of a head in halves, and raises config.max_positions by the factor of a scaling
// that is made for longer contexts than max_position_embeddings says. Errors: kUnsupported for a type or a field that
// is not known, by name; kInvalidArgument.
void read_rope(const ConfigReader& reader, std::int64_t dim, Config& config);

}  // namespace ganglion::models
