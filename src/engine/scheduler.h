// Decides which tokens run in the next step. Pure bookkeeping: it never touches tensors, threads or clocks, so it can
// be tested with integers. The engine thread owns it; to see how a decision is carried out, read engine.cc.
//
// The older a request, the more it is worth. One is admitted when a row is free and its tokens, less what the prefix
// cache has, fit with a few blocks to spare; a younger one that fits may go first, but each is overtaken a bounded
// number of times. Blocks are taken as a request grows. When none is left the youngest that runs is *preempted*: it
// loses its blocks, keeps its tokens and waits to have them computed again. The oldest is never preempted and has
// tokens in nearly every step, so every request ends. A step takes every sequence that decodes (one token each) and
// fills the rest of the token budget with prompt chunks, oldest first, within what Pacing allows.
//
// The cost of a step is linear in the sequences that run and in what was added and removed, whatever else waits.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/pacing.h"
#include "engine/paged_cache.h"
#include "engine/sequence.h"

namespace ganglion::engine {

struct SchedulerOptions {
  std::int64_t max_sequences = 1;     // that run at once
  std::int64_t max_batch_tokens = 1;  // of one step; at least max_sequences
  std::int64_t block_size = 1;
  std::int64_t blocks = 1;  // of the cache
  bool share_prefixes = true;
  std::int64_t max_overtaken = 16;  // times that a waiting request may be overtaken
};

// Tokens [begin, begin + count) of a sequence; `last` when they reach its end, so that its logits are wanted.
struct Chunk {
  Sequence* sequence = nullptr;
  std::int64_t begin = 0;
  std::int64_t count = 0;
  bool last = false;
};

// Counts since the start.
struct SchedulerCounts {
  std::int64_t preemptions = 0;
  std::int64_t computed_tokens = 0;  // that ran
  std::int64_t useful_tokens = 0;    // of these, for the first time in their request
};

class Scheduler {
 public:
  explicit Scheduler(const SchedulerOptions& options);

  // Queues a sequence, younger than all before; it must fit the cache when it is alone.
  void add(std::unique_ptr<Sequence> sequence);
  // The next step's tokens; empty only when nothing waits or runs. Sequences stay valid until remove().
  std::vector<Chunk> next_batch();
  // The chunk has run: its tokens are in the cache.
  void computed(const Chunk& chunk);
  // The step of the last batch took so long.
  void step_took(double seconds) { pacing_.observe(decoding_, prompt_tokens_, seconds); }
  // Takes a sequence out, waiting or running, and frees what it held; nullptr when it is not here.
  std::unique_ptr<Sequence> remove(Engine::RequestId id);

  std::int64_t waiting() const noexcept { return static_cast<std::int64_t>(waiting_.size()); }
  std::int64_t running() const noexcept { return static_cast<std::int64_t>(running_.size()); }
  // Of those that wait, how many ran before.
  std::int64_t preempted() const noexcept { return preempted_; }
  const PagedCache& cache() const noexcept { return cache_; }
  const SchedulerCounts& counts() const noexcept { return counts_; }
  // Of every sequence here, oldest first.
  std::vector<Engine::RequestId> ids() const;

 private:
  void admit();
  std::int64_t spare_blocks() const;
  void start(Sequence& sequence);
  void stop(Sequence& sequence);
  void preempt(Sequence& sequence);
  bool make_room(Sequence& sequence);

  const SchedulerOptions options_;
  PagedCache cache_;
  Pacing pacing_;
  std::vector<std::int32_t> free_rows_;  // a heap, the lowest on top
  std::unordered_map<Engine::RequestId, std::unique_ptr<Sequence>> all_;
  std::map<Engine::RequestId, Sequence*> waiting_;  // oldest first
  std::vector<Sequence*> running_;                  // oldest first
  bool may_admit_ = false;                          // something changed since none could be admitted
  std::int64_t preempted_ = 0;
  std::int64_t decoding_ = 0, prompt_tokens_ = 0;  // of the last batch
  SchedulerCounts counts_;
};

}  // namespace ganglion::engine
