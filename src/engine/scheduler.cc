#include "engine/scheduler.h"

#include <algorithm>
#include <utility>

#include "planner/plan.h"

namespace ganglion::engine {

Scheduler::Scheduler(const SchedulerOptions& options) : options_(options), blocks_(options.blocks) {
  for (std::int64_t row = options.max_sequences; row-- > 0;) free_rows_.push_back(static_cast<std::int32_t>(row));
}

void Scheduler::add(std::unique_ptr<Sequence> sequence) { waiting_.push_back(std::move(sequence)); }

void Scheduler::admit() {
  while (!waiting_.empty() && !free_rows_.empty()) {
    Sequence& next = *waiting_.front();
    auto blocks = blocks_.try_allocate(planner::blocks_for(next.most_positions(), options_.block_size));
    if (!blocks) return;
    next.blocks = std::move(*blocks);
    next.row = free_rows_.back();
    free_rows_.pop_back();
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

std::vector<Chunk> Scheduler::next_batch() {
  admit();
  std::vector<Chunk> out;
  std::int64_t budget = options_.max_batch_tokens;
  for (const auto& sequence : running_) {
    if (sequence->pending() != 1 || sequence->computed == 0) continue;
    out.push_back({sequence.get(), sequence->computed, 1, true});
    --budget;
  }
  for (const auto& sequence : running_) {
    if (budget <= 0) break;
    if (sequence->pending() == 1 && sequence->computed > 0) continue;
    const std::int64_t count = std::min(budget, sequence->pending());
    out.push_back({sequence.get(), sequence->computed, count, count == sequence->pending()});
    budget -= count;
  }
  return out;
}

std::unique_ptr<Sequence> Scheduler::remove(Engine::RequestId id) {
  const auto is_it = [id](const std::unique_ptr<Sequence>& sequence) { return sequence->id == id; };
  if (const auto at = std::find_if(waiting_.begin(), waiting_.end(), is_it); at != waiting_.end()) {
    auto out = std::move(*at);
    waiting_.erase(at);
    return out;
  }
  const auto at = std::find_if(running_.begin(), running_.end(), is_it);
  if (at == running_.end()) return nullptr;
  auto out = std::move(*at);
  running_.erase(at);
  blocks_.release(out->blocks);
  free_rows_.push_back(out->row);
  std::sort(free_rows_.begin(), free_rows_.end(), std::greater<>());
  return out;
}

std::vector<Engine::RequestId> Scheduler::ids() const {
  std::vector<Engine::RequestId> out;
  for (const auto& sequence : running_) out.push_back(sequence->id);
  for (const auto& sequence : waiting_) out.push_back(sequence->id);
  return out;
}

}  // namespace ganglion::engine
