// What a running program sees: the memory of one rank, the threads that run it together, and one step with both.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "kernels/table.h"
#include "program/program.h"

namespace ganglion::runtime::cpu {

// The memory one rank runs a program in. Nothing is owned.
struct Frame {
  int rank = 0;
  std::byte* arena = nullptr;
  std::byte* shared = nullptr;
  const std::byte* constants = nullptr;
  std::span<std::byte* const> weights;
  std::span<std::byte* const> states;
  std::span<const std::byte* const> inputs;
  std::span<std::byte* const> results;  // null: this rank's result is not wanted
  const std::int64_t* rows = nullptr;   // by size: how many rows are real

  std::byte* at(const program::Operand& operand) const {
    switch (operand.space) {
      case program::Space::kArena:
        return arena + operand.offset;
      case program::Space::kShared:
        return shared + operand.offset;
      case program::Space::kConstant:
        return const_cast<std::byte*>(constants) + operand.offset;
      case program::Space::kWeight:
        return weights[static_cast<std::size_t>(operand.index)];
      case program::Space::kState:
        return states[static_cast<std::size_t>(operand.index)];
      case program::Space::kInput:
        return const_cast<std::byte*>(inputs[static_cast<std::size_t>(operand.index)]);
      case program::Space::kResult:
        return results[static_cast<std::size_t>(operand.index)];
    }
    return nullptr;
  }
  template <typename T>
  T* as(const program::Operand& operand) const {
    return reinterpret_cast<T*>(at(operand));
  }
  // How many of the `bound` rows are real.
  std::int64_t rows_of(std::int32_t size, std::int64_t bound) const {
    return size == program::kAllRows ? bound : rows[size];
  }
  std::int64_t elements(const program::Operand& operand) const {
    std::int64_t count = 1;
    for (const std::int64_t dim : operand.dims) count *= dim;
    if (operand.rows == program::kAllRows || operand.dims[0] == 0) return count;
    return count / operand.dims[0] * rows[operand.rows];
  }
  // As operand.dims, with the real rows.
  Dims dims(const program::Operand& operand) const {
    Dims real = operand.dims;
    if (operand.rows != program::kAllRows) real[0] = rows[operand.rows];
    return real;
  }
};

// The threads that run a program together; each has its own Team with its own number and scratch.
struct Team {
  int thread = 0;
  int threads = 1;
  ThreadPool* pool = nullptr;
  std::byte* scratch = nullptr;  // Program::scratch_bytes
  const kernels::Table* table = nullptr;

  void barrier() const {
    if (threads > 1) pool->barrier(thread);
  }
};

struct StepContext {
  const program::Step& step;
  std::span<const Frame> frames;  // the ranks that the step is to be done for
  std::span<const Frame> ranks;   // all ranks
  const Team& team;
};

// Calls work(frame, begin, end) for this thread's share of units [0, units) of every frame. `cost` is the work of one
// unit in bytes touched or operations: little work stays on one thread. The shares fall on multiples of `grain`, so
// what a unit computes must not depend on where shares begin.
template <typename Work>
void for_share(const StepContext& context, std::int64_t units, std::int64_t cost, std::int64_t grain,
               const Work& work) {
  constexpr std::int64_t kWorthAThread = 16384;
  if (units <= 0) return;
  const std::int64_t chunks = (units + grain - 1) / grain;
  const std::int64_t all = chunks * static_cast<std::int64_t>(context.frames.size());
  const std::int64_t useful = std::max<std::int64_t>(
      1, units * static_cast<std::int64_t>(context.frames.size()) * std::max<std::int64_t>(cost, 1) / kWorthAThread);
  const int threads = static_cast<int>(std::min<std::int64_t>(context.team.threads, useful));
  if (context.team.thread >= threads) return;
  const Range range = split_range(all, threads, context.team.thread);
  for (std::int64_t at = range.begin; at < range.end;) {
    const std::int64_t frame = at / chunks;
    const std::int64_t last = std::min(range.end, (frame + 1) * chunks);
    const std::int64_t begin = (at - frame * chunks) * grain;
    const std::int64_t end = std::min(units, (last - frame * chunks) * grain);
    work(context.frames[static_cast<std::size_t>(frame)], begin, end);
    at = last;
  }
}

}  // namespace ganglion::runtime::cpu
