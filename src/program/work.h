// What a step has to touch and to compute at the least: the numerators of every fraction of a limit that is quoted
// (profile, bench, /metrics). A step's work is linear in the sizes of a run, so that the work of a whole program is
// found once and evaluated for each run in nanoseconds.
//
// Bytes: every array that the step reads, once, and every array that it writes, once; of a weight what is kept (scales
// included), of a cache the positions that the tokens may see, of a table of embeddings the rows looked up. FLOPs: a
// multiply-add is two; of elementwise steps and norms one for each operation on an element, however long it takes.
// Arrays that stay in a cache of the CPU between two steps are counted as well, so small steps may seem to be faster
// than memory.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "program/program.h"

namespace ganglion::program {

struct Work {
  double bytes = 0;
  double flops = 0;
  Work& operator+=(const Work& other) {
    bytes += other.bytes;
    flops += other.flops;
    return *this;
  }
};

// The sizes of one run.
struct RunSizes {
  std::span<const std::int64_t> rows;  // by size of the program: how many rows are real
  double cached = 0;                   // positions that attention sees, summed over sequences: each is read once
  double pairs = 0;                    // positions that each token sees, summed over tokens
};

// Work as a function of the sizes, of all ranks together.
struct SizedWork {
  std::int32_t rows = kAllRows;  // the size it is linear in; kAllRows: none, and then row is not used
  Work fixed;                    // unless there are no rows
  Work row;                      // for each row
  double cached_bytes = 0;       // for each of RunSizes::cached
  double pair_flops = 0;         // for each of RunSizes::pairs

  Work at(const RunSizes& sizes) const;
};

SizedWork work_of(const Step& step, int ranks);
// Adds to a sum, which has one part for each size.
void add_work(std::vector<SizedWork>& sum, const SizedWork& work);
Work work_at(std::span<const SizedWork> sum, const RunSizes& sizes);

// "matmul", "attention", "layer_norm" ...: the first word of describe().
std::string_view kind(const Step& step) noexcept;

}  // namespace ganglion::program
