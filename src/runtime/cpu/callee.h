// A scalar computation that a step calls again and again (reducer, comparator), run by one thread.
#pragma once

#include <algorithm>

#include "runtime/cpu/execute.h"

namespace ganglion::runtime::cpu {

class Callee {
 public:
  // The arena and the scratch are taken from the team's scratch.
  Callee(const program::Program& program, const Frame& frame, const Team& team) : program_(program) {
    alone_.table = team.table;
    alone_.scratch = team.scratch + program.arena_bytes;
    result_ = team.scratch + program.arena_bytes + program.scratch_bytes;
    frame_.rank = frame.rank;
    frame_.arena = team.scratch;
    frame_.shared = team.scratch;
    frame_.constants = program.constants.data();
    frame_.rows = frame.rows;
    results_[0] = result_;
    frame_.results = results_;
  }
  Callee(const Callee&) = delete;

  // The result of the call; valid until the next one.
  const std::byte* operator()(std::span<const std::byte* const> arguments) {
    frame_.inputs = arguments;
    run_program(program_, std::span<const Frame>(&frame_, 1), alone_);
    return result_;
  }

 private:
  const program::Program& program_;
  Team alone_;
  Frame frame_;
  std::byte* result_ = nullptr;
  std::byte* results_[1] = {};
};

}  // namespace ganglion::runtime::cpu
