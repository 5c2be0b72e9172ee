#include "engine/scheduler.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/error.h"
#include "planner/plan.h"

namespace ganglion::engine {
namespace {

// Waiting requests that are looked at in one step, so that its cost does not grow with the queue.
constexpr std::size_t kLookAhead = 8;

bool older(const Sequence* a, const Sequence* b) { return a->id < b->id; }

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options)
    : options_(options),
      cache_({.block_size = options.block_size, .blocks = options.blocks, .share_prefixes = options.share_prefixes}) {
  for (std::int64_t row = 0; row < options.max_sequences; ++row) free_rows_.push_back(static_cast<std::int32_t>(row));
}

void Scheduler::add(std::unique_ptr<Sequence> sequence) {
  const auto id = sequence->id;
  waiting_.emplace_hint(waiting_.end(), id, sequence.get());
  all_.emplace(id, std::move(sequence));
  may_admit_ = true;
}

void Scheduler::start(Sequence& sequence) {
  std::pop_heap(free_rows_.begin(), free_rows_.end(), std::greater<>());
  sequence.row = free_rows_.back();
  free_rows_.pop_back();
  running_.insert(std::upper_bound(running_.begin(), running_.end(), &sequence, older), &sequence);
  preempted_ -= sequence.preempted ? 1 : 0;
  sequence.preempted = false;
}

void Scheduler::stop(Sequence& sequence) {
  running_.erase(std::lower_bound(running_.begin(), running_.end(), &sequence, older));
  cache_.release(sequence);
  free_rows_.push_back(sequence.row);
  std::push_heap(free_rows_.begin(), free_rows_.end(), std::greater<>());
  sequence.row = -1;
  may_admit_ = true;
}

void Scheduler::preempt(Sequence& sequence) {
  sequence.most_computed = std::max(sequence.most_computed, sequence.computed);
  stop(sequence);
  sequence.preempted = true;
  ++preempted_;
  ++counts_.preemptions;
  waiting_.emplace(sequence.id, &sequence);
}

// What those that run can come to want, at most a few: so that one does not come in only to drive another out soon.
std::int64_t Scheduler::spare_blocks() const {
  const std::int64_t enough = 1 + options_.blocks / 64;
  std::int64_t wanted = 0;
  for (const Sequence* sequence : running_) {
    wanted += planner::blocks_for(sequence->most_positions(), options_.block_size) -
              static_cast<std::int64_t>(sequence->blocks.size());
    if (wanted >= enough) return enough;
  }
  return wanted;
}

void Scheduler::admit() {
  if (!may_admit_) return;
  may_admit_ = false;
  std::vector<Sequence*> passed;  // older than what is looked at, and did not fit
  for (auto at = waiting_.begin(); at != waiting_.end() && !free_rows_.empty() && passed.size() < kLookAhead;) {
    Sequence& next = *at->second;
    if (!cache_.try_admit(next, spare_blocks())) {
      if (next.overtaken >= options_.max_overtaken) return;
      passed.push_back(&next);
      ++at;
      continue;
    }
    start(next);
    at = waiting_.erase(at);
    bool enough = false;
    for (Sequence* sequence : passed) enough |= ++sequence->overtaken >= options_.max_overtaken;
    if (enough) return;
  }
}

// Blocks for all its tokens, of younger ones if need be; false when it was itself the youngest and was preempted.
bool Scheduler::make_room(Sequence& sequence) {
  while (!cache_.try_grow(sequence)) {
    Sequence& youngest = *running_.back();
    GANGLION_CHECK(running_.size() > 1);  // alone, it fits
    preempt(youngest);
    if (&youngest == &sequence) return false;
  }
  return true;
}

std::vector<Chunk> Scheduler::next_batch() {
  admit();
  std::vector<Chunk> out;
  out.reserve(running_.size());
  // Those that have to go stand behind, so the loop goes on with what is left.
  for (std::size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    if (sequence.decodes() && make_room(sequence)) out.push_back({&sequence, sequence.computed, 1, true});
  }
  decoding_ = static_cast<std::int64_t>(out.size());
  prompt_tokens_ = 0;
  std::int64_t budget = options_.max_batch_tokens - decoding_;
  if (decoding_ > 0) budget = std::min(budget, pacing_.prompt_tokens(decoding_));
  for (Sequence* sequence : running_) {
    if (prompt_tokens_ == budget) break;
    if (sequence->decodes()) continue;
    cache_.skip_cached(*sequence);
    const std::int64_t count = std::min(budget - prompt_tokens_, sequence->pending());
    out.push_back({sequence, sequence->computed, count, count == sequence->pending()});
    prompt_tokens_ += count;
  }
  return out;
}

void Scheduler::computed(const Chunk& chunk) {
  Sequence& sequence = *chunk.sequence;
  counts_.computed_tokens += chunk.count;
  counts_.useful_tokens += std::clamp(chunk.begin + chunk.count - sequence.most_computed, std::int64_t{0}, chunk.count);
  cache_.computed(sequence, chunk.count);
}

std::unique_ptr<Sequence> Scheduler::remove(Engine::RequestId id) {
  auto found = all_.extract(id);
  if (found.empty()) return nullptr;
  Sequence& sequence = *found.mapped();
  if (sequence.row >= 0) {
    stop(sequence);
  } else {
    waiting_.erase(id);
    preempted_ -= sequence.preempted ? 1 : 0;
    may_admit_ = true;  // what it stood before may go on
  }
  return std::move(found.mapped());
}

std::vector<Engine::RequestId> Scheduler::ids() const {
  std::vector<Engine::RequestId> out;
  out.reserve(all_.size());
  for (const auto& [id, sequence] : all_) out.push_back(id);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace ganglion::engine
