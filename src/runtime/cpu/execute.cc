#include "runtime/cpu/execute.h"

#include <chrono>

#include "runtime/cpu/steps.h"

namespace ganglion::runtime::cpu {
namespace {

void run_one(const program::Step& step, std::span<const Frame> frames, const Team& team) {
  const StepContext context{step, step.per_rank ? frames : frames.first(1), frames, team};
  std::visit([&](const auto& params) { run_step(params, context); }, step.params);
}

void run_timed(const program::Program& program, std::span<const Frame> frames, const Team& team,
               std::vector<double>& seconds) {
  using Clock = std::chrono::steady_clock;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    team.barrier();
    const auto start = Clock::now();
    run_one(program.steps[i], frames, team);
    team.barrier();
    if (team.thread == 0) seconds[i] += std::chrono::duration<double>(Clock::now() - start).count();
  }
}

}  // namespace

void run_program(const program::Program& program, std::span<const Frame> frames, const Team& team,
                 std::vector<double>* step_seconds) {
  if (step_seconds != nullptr) {
    run_timed(program, frames, team, *step_seconds);
    return;
  }
  for (const program::Step& step : program.steps) {
    if (step.barrier) team.barrier();
    run_one(step, frames, team);
  }
}

void run_program_looking(const program::Program& program, std::span<const Frame> frames, const Team& team,
                         const std::function<void(std::size_t)>& look) {
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    run_one(program.steps[i], frames, team);
    team.barrier();
    if (team.thread == 0) look(i);
    team.barrier();
  }
}

}  // namespace ganglion::runtime::cpu
