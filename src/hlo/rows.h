// Which run-time count governs the bounded rows of each value. A bounded parameter of the entry is bound to an s32[]
// input (Module::row_bindings); what is computed from it row by row has the same count.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "hlo/module.h"

namespace ganglion::hlo {

// For every bounded instruction of the entry: the number of the parameter that holds its row count. Values made of
// nothing bounded (an iota or broadcast of a bounded shape) take the count of what they meet first.
// Error{kInvalidArgument} when values of two different counts meet, or when nothing says what a value's count is.
std::unordered_map<const Instruction*, std::int64_t> row_sizes(const Module& module);

}  // namespace ganglion::hlo
