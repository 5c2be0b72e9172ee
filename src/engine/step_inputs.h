// The inputs of one run of the step (models/step.h), filled from the chunks that the scheduler picked. Its memory is
// taken once.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/scheduler.h"
#include "models/step.h"
#include "tensor/tensor.h"

namespace ganglion::engine {

class StepInputs {
 public:
  // `lengths`: the step wants them (models::Step::wants_lengths).
  StepInputs(const models::StepSize& size, bool lengths);

  void fill(const std::vector<Chunk>& chunks);
  // In the order of the step's inputs; valid until the next fill().
  const std::vector<TensorView>& views() const noexcept { return views_; }
  // Rows of logits that the step gives: one per chunk that is its sequence's last, in their order.
  std::int64_t logit_count() const noexcept { return logit_count_; }

 private:
  const models::StepSize size_;
  std::vector<std::int32_t> token_ids_, position_, sequence_, slot_, block_table_, logit_rows_, length_;
  std::int32_t token_count_ = 0;
  std::int32_t logit_count_ = 0;
  std::vector<TensorView> views_;
};

}  // namespace ganglion::engine
