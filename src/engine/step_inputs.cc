#include "engine/step_inputs.h"

#include <algorithm>

#include "base/error.h"

namespace ganglion::engine {
namespace {

TensorView view_of(const std::int32_t* data, Dims dims) {
  return {DType::kS32, std::move(dims), reinterpret_cast<const std::byte*>(data)};
}

}  // namespace

StepInputs::StepInputs(const models::StepSize& size, bool lengths)
    : size_(size), block_table_(static_cast<std::size_t>(size.sequences * size.max_blocks), 0) {
  for (auto* rows : {&token_ids_, &position_, &sequence_, &slot_}) rows->resize(static_cast<std::size_t>(size.tokens));
  logit_rows_.resize(static_cast<std::size_t>(size.logit_rows));
  views_ = {view_of(&token_count_, {}),
            view_of(&logit_count_, {}),
            view_of(token_ids_.data(), {0}),
            view_of(position_.data(), {0}),
            view_of(sequence_.data(), {0}),
            view_of(slot_.data(), {0}),
            view_of(block_table_.data(), {size.sequences, size.max_blocks}),
            view_of(logit_rows_.data(), {0})};
  if (!lengths) return;
  length_.resize(static_cast<std::size_t>(size.tokens));
  views_.push_back(view_of(length_.data(), {0}));
}

void StepInputs::fill(const std::vector<Chunk>& chunks) {
  std::size_t at = 0;
  std::size_t rows = 0;
  for (const Chunk& chunk : chunks) {
    const Sequence& sequence = *chunk.sequence;
    GANGLION_CHECK(at + static_cast<std::size_t>(chunk.count) <= token_ids_.size());
    std::int32_t* table = block_table_.data() + sequence.row * size_.max_blocks;
    const auto prompt = static_cast<std::int64_t>(sequence.request.prompt.size());
    std::copy(sequence.blocks.begin(), sequence.blocks.end(), table);
    for (std::int64_t i = chunk.begin; i < chunk.begin + chunk.count; ++i, ++at) {
      token_ids_[at] = sequence.tokens[static_cast<std::size_t>(i)];
      position_[at] = static_cast<std::int32_t>(i);
      sequence_[at] = sequence.row;
      if (!length_.empty()) length_[at] = static_cast<std::int32_t>(std::max(i + 1, prompt));
      slot_[at] = static_cast<std::int32_t>(table[i / size_.block_size] * size_.block_size + i % size_.block_size);
    }
    if (chunk.last) logit_rows_[rows++] = static_cast<std::int32_t>(at - 1);
  }
  token_count_ = static_cast<std::int32_t>(at);
  logit_count_ = static_cast<std::int32_t>(rows);
  for (std::size_t i = 2; i < 6; ++i) views_[i].dims[0] = token_count_;
  views_[7].dims[0] = logit_count_;
  if (!length_.empty()) views_[8].dims[0] = token_count_;
}

}  // namespace ganglion::engine
