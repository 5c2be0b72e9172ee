// Decides which tokens run in the next step. Pure bookkeeping: it never touches tensors or threads, so it can be tested
// with integers. The engine thread owns it; to see how a decision is carried out, read engine.cc.
//
// Requests are admitted in the order they came, when a row and all the blocks they can ever need are free: an admitted
// request never runs out of cache, and none is overtaken, so none starves. A step takes every sequence that decodes
// (one token each) and fills the rest of the token budget with prompt chunks, oldest first.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "engine/block_manager.h"
#include "engine/sequence.h"

namespace ganglion::engine {

struct SchedulerOptions {
  std::int64_t max_sequences = 1;     // that run at once
  std::int64_t max_batch_tokens = 1;  // of one step; at least max_sequences
  std::int64_t block_size = 1;
  std::int64_t blocks = 1;  // of the cache
};

// Tokens [begin, begin + count) of a sequence; `last` when they reach its end, so that its logits are wanted.
struct Chunk {
  Sequence* sequence = nullptr;
  std::int64_t begin = 0;
  std::int64_t count = 0;
  bool last = false;
};

class Scheduler {
 public:
  explicit Scheduler(const SchedulerOptions& options);

  // Queues a sequence; it must fit the cache when it is alone.
  void add(std::unique_ptr<Sequence> sequence);
  // The next step's tokens; empty when nothing can run. Sequences stay valid until remove().
  std::vector<Chunk> next_batch();
  // The chunk has run: its tokens are in the cache.
  void computed(const Chunk& chunk) { chunk.sequence->computed += chunk.count; }
  // Takes a sequence out, waiting or running, and frees what it held; nullptr when it is not here.
  std::unique_ptr<Sequence> remove(Engine::RequestId id);

  std::int64_t waiting() const noexcept { return static_cast<std::int64_t>(waiting_.size()); }
  std::int64_t running() const noexcept { return static_cast<std::int64_t>(running_.size()); }
  const BlockManager& blocks() const noexcept { return blocks_; }
  // Of every sequence here, oldest first.
  std::vector<Engine::RequestId> ids() const;

 private:
  void admit();

  const SchedulerOptions options_;
  BlockManager blocks_;
  std::vector<std::int32_t> free_rows_;  // lowest last
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;  // in the order of admission
};

}  // namespace ganglion::engine
