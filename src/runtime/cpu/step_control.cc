// The while loop. All threads go round together: the condition's answer is read by all of them after a barrier.
#include <algorithm>
#include <cstring>

#include "runtime/cpu/execute.h"
#include "runtime/cpu/steps.h"

namespace ganglion::runtime::cpu {
namespace {

std::int64_t aligned(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

// One rank's loop: the carried values lie in the step's results, the next ones in the scratch behind the condition.
class Loop {
 public:
  Loop(const program::Step& step, const Frame& frame) : frame_(frame) {
    const program::Operand& scratch = step.results.back();
    std::byte* at = frame.at(scratch);
    answer_ = at;
    at += 64;
    for (std::size_t i = 0; i + 1 < step.results.size(); ++i) {
      carried_.push_back(frame.at(step.results[i]));
      next_.push_back(at);
      initial_.push_back(frame.at(step.operands[i]));
      bytes_.push_back(frame.elements(step.results[i]) * static_cast<std::int64_t>(dtype_size(step.results[i].dtype)));
      at += aligned(step.results[i].bytes);
    }
    arena_ = at;
  }

  Frame condition(const program::Program& program) { return callee(program, std::span(&answer_, 1)); }
  Frame body(const program::Program& program) { return callee(program, next_); }
  bool goes_on() const { return *answer_ != std::byte{0}; }
  void start(const Team& team) const { copy(team, initial_); }
  void advance(const Team& team) const { copy(team, next_); }

 private:
  Frame callee(const program::Program& program, std::span<std::byte* const> results) const {
    Frame frame;
    frame.rank = frame_.rank;
    frame.arena = frame.shared = arena_;
    frame.constants = program.constants.data();
    frame.rows = frame_.rows;
    frame.inputs = std::span<const std::byte* const>(carried_.data(), carried_.size());
    frame.results = results;
    return frame;
  }

  void copy(const Team& team, const std::vector<std::byte*>& from) const {
    for (std::size_t i = 0; i < carried_.size(); ++i) {
      const Range part = split_range(bytes_[i], team.threads, team.thread, 4096);
      if (part.begin == part.end) continue;
      std::memcpy(carried_[i] + part.begin, from[i] + part.begin, static_cast<std::size_t>(part.end - part.begin));
    }
  }

  const Frame& frame_;
  std::byte* answer_ = nullptr;
  std::byte* arena_ = nullptr;
  std::vector<std::byte*> carried_, next_, initial_;
  std::vector<std::int64_t> bytes_;
};

void go_round(const program::Step& step, std::span<const Frame> frames, const Team& team) {
  const program::Program &condition = *step.called[0], &body = *step.called[1];
  std::vector<Loop> loops;
  loops.reserve(frames.size());
  std::vector<Frame> conditions, bodies;
  for (const Frame& frame : frames) {
    Loop& loop = loops.emplace_back(step, frame);
    conditions.push_back(loop.condition(condition));
    bodies.push_back(loop.body(body));
    loop.start(team);
  }
  team.barrier();
  for (;;) {
    run_program(condition, conditions, team);
    team.barrier();
    // Ranks in step have the same condition: it can only differ when the module is wrong.
    if (!loops[0].goes_on()) return;
    run_program(body, bodies, team);
    team.barrier();
    for (const Loop& loop : loops) loop.advance(team);
    team.barrier();
  }
}

}  // namespace

void run_step(const program::WhileParams& params, const StepContext& context) {
  if (params.lockstep) {
    go_round(context.step, context.frames, context.team);
    return;
  }
  for (const Frame& frame : context.frames) {
    go_round(context.step, std::span<const Frame>(&frame, 1), context.team);
  }
}

}  // namespace ganglion::runtime::cpu
