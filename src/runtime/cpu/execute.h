// Runs the steps of a program.
#pragma once

#include <functional>
#include <vector>

#include "runtime/cpu/frame.h"
#include "runtime/recorder.h"

namespace ganglion::runtime::cpu {

// Called by every thread of the team with the same frames, one per rank. Returns when this thread has done its part:
// the caller puts a barrier where it reads results. `record`, when not null, gets this thread's time of every step.
void run_program(const program::Program& program, std::span<const Frame> frames, const Team& team,
                 RecordedRun* record = nullptr);

// The same, slowly: after each step, when all threads have done theirs, thread 0 calls look(index of the step) while
// the others wait.
void run_program_looking(const program::Program& program, std::span<const Frame> frames, const Team& team,
                         const std::function<void(std::size_t)>& look);

}  // namespace ganglion::runtime::cpu
