#include "runtime/cpu/execute.h"

#include "runtime/cpu/steps.h"

namespace ganglion::runtime::cpu {
namespace {

// A step that finds nothing to do needs no barrier before it either: what reads its result has one of its own.
bool is_idle(const program::Step& step, std::span<const Frame> frames, const Team& team) {
  const auto* prepare = std::get_if<program::PrepareRowsParams>(&step.params);
  return prepare != nullptr && rows_to_prepare(*prepare, {step, frames, frames, team}) == 0;
}

void run_one(const program::Step& step, std::span<const Frame> frames, const Team& team) {
  const StepContext context{step, step.per_rank ? frames : frames.first(1), frames, team};
  std::visit([&](const auto& params) { run_step(params, context); }, step.params);
}

// As it would run unrecorded: no barrier more.
void run_recorded(const program::Program& program, std::span<const Frame> frames, const Team& team,
                  RecordedRun& record) {
  TimeSpan* spans = record.steps.data() + static_cast<std::size_t>(team.thread) * program.steps.size();
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const program::Step& step = program.steps[i];
    const bool idle = is_idle(step, frames, team);
    if (step.barrier && !idle) team.barrier();
    spans[i].begin = now_ns();
    if (!idle) run_one(step, frames, team);
    spans[i].end = now_ns();
  }
}

}  // namespace

void run_program(const program::Program& program, std::span<const Frame> frames, const Team& team,
                 RecordedRun* record) {
  if (record != nullptr) {
    run_recorded(program, frames, team, *record);
    return;
  }
  for (const program::Step& step : program.steps) {
    if (is_idle(step, frames, team)) continue;
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
