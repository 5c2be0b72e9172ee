// Runs the steps of a program.
#pragma once

#include <vector>

#include "runtime/cpu/frame.h"

namespace ganglion::runtime::cpu {

// Called by every thread of the team with the same frames, one per rank. Returns when this thread has done its part:
// the caller puts a barrier where it reads results. step_seconds, when not null, gets the time of every step added by
// thread 0 (and every step then has a barrier on both sides).
void run_program(const program::Program& program, std::span<const Frame> frames, const Team& team,
                 std::vector<double>* step_seconds = nullptr);

}  // namespace ganglion::runtime::cpu
