// Which run-time count governs the bounded rows of each value. A bounded parameter of the entry is bound to an s32[]
// input (Module::row_bindings); what is computed from it row by row has the same count.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "hlo/module.h"

namespace ganglion::hlo {

// For every array of the entry with bounded rows: the number of the parameter that holds its row count (tuples are not
// in it, their elements are where they are taken out). Counts are followed through calls, loops and tuples; values made
// of nothing bounded (an iota or broadcast over bounded rows) take the count of what they meet. The module's shapes
// must have been verified. Linear in the module. Error{kInvalidArgument} when values of two different counts meet, in
// the entry or in what it calls, or when nothing says what a value's count is.
std::unordered_map<const Instruction*, std::int64_t> row_sizes(const Module& module);

}  // namespace ganglion::hlo
