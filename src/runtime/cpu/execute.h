// Runs the steps of a program.
#pragma once

#include <functional>
#include <vector>

#include "runtime/cpu/frame.h"

namespace ganglion::runtime::cpu {

// Called by every thread of the team with the same frames, one per rank. Returns when this thread has done its part:
// the caller puts a barrier where it reads results. step_seconds, when not null, gets the time of every step added by
// thread 0 (and every step then has a barrier on both sides).
void run_program(const program::Program& program, std::span<const Frame> frames, const Team& team,
                 std::vector<double>* step_seconds = nullptr);

// The same, slowly: after each step, when all threads have done theirs, thread 0 calls look(index of the step) while
// the others wait.
void run_program_looking(const program::Program& program, std::span<const Frame> frames, const Team& team,
                         const std::function<void(std::size_t)>& look);

}  // namespace ganglion::runtime::cpu
