// Where every buffer of the arenas lies: best fit over live ranges.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/lower.h"

namespace ganglion::compiler {

// Live from step `first` to step `last`, both included.
struct LiveRange {
  std::int32_t first = -1;
  std::int32_t last = -1;
  std::int64_t bytes = 0;
};

struct MemoryPlan {
  std::vector<std::int64_t> offsets;  // by range; 0 for a range that no step names
  std::int64_t bytes = 0;
};

// Ranges that overlap in time never overlap in memory; offsets are multiples of 64. O(n log n).
MemoryPlan plan_ranges(const std::vector<LiveRange>& ranges);

// Gives the arena operands of all steps their offsets, and the program its arena sizes.
void plan_memory(Lowered& lowered);
// Sets Step::barrier where a step touches what a step since the last barrier has written, or writes what one has read.
void place_barriers(program::Program& program);

}  // namespace ganglion::compiler
