#include "compiler/plan_memory.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

namespace ganglion::compiler {

using program::Operand;
using program::Space;

namespace {

constexpr std::int64_t kAlignment = 64;

// Free pieces of one arena, by address and by size.
class FreeList {
 public:
  std::int64_t take(std::int64_t bytes) {
    const auto fit = by_size_.lower_bound({bytes, 0});
    if (fit != by_size_.end()) {
      const auto [size, offset] = *fit;
      remove(offset, size);
      if (size > bytes) insert(offset + bytes, size - bytes);
      return offset;
    }
    // No piece is large enough: the arena grows, from its last piece when that reaches the end.
    std::int64_t offset = end_;
    if (!by_offset_.empty()) {
      const auto last = std::prev(by_offset_.end());
      if (last->first + last->second == end_) {
        offset = last->first;
        remove(last->first, last->second);
      }
    }
    end_ = offset + bytes;
    return offset;
  }

  void give(std::int64_t offset, std::int64_t bytes) {
    auto next = by_offset_.lower_bound(offset);
    if (next != by_offset_.end() && next->first == offset + bytes) {
      bytes += next->second;
      remove(next->first, next->second);
    }
    next = by_offset_.lower_bound(offset);
    if (next != by_offset_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == offset) {
        offset = before->first;
        bytes += before->second;
        remove(before->first, before->second);
      }
    }
    insert(offset, bytes);
  }

  std::int64_t end() const { return end_; }

 private:
  void insert(std::int64_t offset, std::int64_t bytes) {
    by_offset_[offset] = bytes;
    by_size_.insert({bytes, offset});
  }
  void remove(std::int64_t offset, std::int64_t bytes) {
    by_offset_.erase(offset);
    by_size_.erase({bytes, offset});
  }

  std::map<std::int64_t, std::int64_t> by_offset_;
  std::set<std::pair<std::int64_t, std::int64_t>> by_size_;  // bytes, offset
  std::int64_t end_ = 0;
};

bool in_arena(const Operand& operand) { return operand.space == Space::kArena || operand.space == Space::kShared; }

}  // namespace

MemoryPlan plan_ranges(const std::vector<LiveRange>& ranges) {
  std::vector<std::size_t> starts, ends;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].first >= 0) starts.push_back(i);
  }
  ends = starts;
  // At one step the largest first: it is the hardest to place.
  std::sort(starts.begin(), starts.end(), [&](std::size_t a, std::size_t b) {
    return std::tuple(ranges[a].first, -ranges[a].bytes, a) < std::tuple(ranges[b].first, -ranges[b].bytes, b);
  });
  std::sort(ends.begin(), ends.end(), [&](std::size_t a, std::size_t b) {
    return std::tuple(ranges[a].last, a) < std::tuple(ranges[b].last, b);
  });
  const auto size = [&](std::size_t i) {
    return std::max((ranges[i].bytes + kAlignment - 1) / kAlignment * kAlignment, kAlignment);
  };
  MemoryPlan plan;
  plan.offsets.assign(ranges.size(), 0);
  FreeList free;
  std::size_t ended = 0;
  for (const std::size_t i : starts) {
    for (; ended < ends.size() && ranges[ends[ended]].last < ranges[i].first; ++ended) {
      free.give(plan.offsets[ends[ended]], size(ends[ended]));
    }
    plan.offsets[i] = free.take(size(i));
  }
  plan.bytes = free.end();
  return plan;
}

void plan_memory(Lowered& lowered) {
  std::vector<LiveRange> ranges[2];
  for (auto& of_arena : ranges) of_arena.resize(lowered.buffers.size());
  const auto range = [&](std::int32_t buffer) -> LiveRange& {
    const ArenaBuffer& from = lowered.buffers[static_cast<std::size_t>(buffer)];
    LiveRange& live = ranges[from.shared ? 1 : 0][static_cast<std::size_t>(buffer)];
    live.bytes = from.bytes;
    return live;
  };
  std::vector<program::Step>& steps = lowered.program.steps;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    for (const auto* operands : {&steps[i].operands, &steps[i].results}) {
      for (const Operand& operand : *operands) {
        if (!in_arena(operand)) continue;
        LiveRange& live = range(operand.index);
        if (live.first < 0) live.first = static_cast<std::int32_t>(i);
        live.last = static_cast<std::int32_t>(i);
      }
    }
  }
  const MemoryPlan plans[2] = {plan_ranges(ranges[0]), plan_ranges(ranges[1])};
  for (program::Step& step : steps) {
    for (auto* operands : {&step.operands, &step.results}) {
      for (Operand& operand : *operands) {
        if (!in_arena(operand)) continue;
        const int arena = operand.space == Space::kShared ? 1 : 0;
        operand.offset = plans[arena].offsets[static_cast<std::size_t>(operand.index)];
        operand.index = 0;
      }
    }
  }
  lowered.program.arena_bytes = plans[0].bytes;
  lowered.program.shared_arena_bytes = plans[1].bytes;
}

}  // namespace ganglion::compiler
