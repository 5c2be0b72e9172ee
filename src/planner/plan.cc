#include "planner/plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace ganglion::planner {

std::string size_text(std::int64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (bytes >= std::int64_t{1} << 30) return fmt::format("{:.2f} GiB", value / (1 << 30));
  if (bytes >= std::int64_t{1} << 20) return fmt::format("{:.1f} MiB", value / (1 << 20));
  return fmt::format("{:.1f} KiB", value / (1 << 10));
}

std::int64_t Sums::weights() const { return std::accumulate(weights_of.begin(), weights_of.end(), std::int64_t{0}); }

std::string Sums::text() const {
  return fmt::format("weights {} + KV cache {} + activations {} + program {} = {}", size_text(weights()),
                     size_text(kv_cache), size_text(activations), size_text(program), size_text(total()));
}

std::int64_t blocks_for(std::int64_t positions, std::int64_t block_size) noexcept {
  return (positions + block_size - 1) / block_size;
}

std::int64_t blocks_that_fit(const Plan& plan, std::int64_t wanted, std::int64_t memory_bytes) {
  const std::int64_t left = memory_bytes - (plan.all.total() - plan.all.kv_cache);
  return left <= 0 ? 0 : std::min(wanted, left / (plan.block_size * plan.bytes_per_position));
}

void check_fits(const Plan& plan, std::int64_t memory_bytes, const std::string& place) {
  if (plan.all.total() <= memory_bytes) return;
  fail(Code::kResourceExhausted,
       "[{}] the model does not fit: {}, and {} of memory are to be had; use a smaller type (dtype), fewer positions "
       "(n_positions) or fewer sequences at once, or raise GANGLION_MEMORY_BYTES if that is what limits it",
       place, plan.all.text(), size_text(memory_bytes));
}

void check_request(const Plan& plan, std::int64_t prompt_tokens, std::int64_t new_tokens) {
  if (new_tokens > plan.positions || prompt_tokens + new_tokens > plan.positions) {
    fail(Code::kInvalidArgument,
         "[request] {} prompt tokens and {} new ones: the model has n_positions={}; shorten them or raise n_positions",
         prompt_tokens, new_tokens, plan.positions);
  }
  const std::int64_t blocks =
      blocks_for(prompt_tokens + new_tokens - 1, plan.block_size);  // the last token is never cached
  if (blocks > plan.blocks) {
    const std::int64_t block_bytes = plan.block_size * plan.bytes_per_position;
    fail(Code::kInvalidArgument,
         "[request] {} prompt tokens and {} new ones want {} cache blocks of {} positions, {}: the cache has {}, {}; "
         "shorten them or give the model more memory",
         prompt_tokens, new_tokens, blocks, plan.block_size, size_text(blocks * block_bytes), plan.blocks,
         size_text(plan.blocks * block_bytes));
  }
}

bool trn1_has_degree(int tp) noexcept { return tp == 1 || tp == 2 || tp == 8 || tp == 32; }
bool inf2_has_degree(int tp) noexcept { return tp == 1 || tp == 2 || tp == 4 || tp == 8 || tp == 12 || tp == 24; }

}  // namespace ganglion::planner
