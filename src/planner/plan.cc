#include "planner/plan.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"

namespace ganglion::planner {
namespace {

std::string size_text(std::int64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (bytes >= std::int64_t{1} << 30) return fmt::format("{:.2f} GiB", value / (1 << 30));
  if (bytes >= std::int64_t{1} << 20) return fmt::format("{:.1f} MiB", value / (1 << 20));
  return fmt::format("{:.1f} KiB", value / (1 << 10));
}

}  // namespace

std::string Plan::text() const {
  return fmt::format("weights {} + KV cache {} + activations {} + program {} = {}", size_text(weights),
                     size_text(kv_cache), size_text(activations), size_text(program), size_text(total()));
}

std::int64_t cache_bytes_per_token(const models::Config& config, DType kv) {
  const std::int64_t scale = kv == DType::kS8 ? 4 : 0;  // f32, of a head's part of a row
  const std::int64_t row = config.head_dim * static_cast<std::int64_t>(dtype_size(kv)) + scale;
  return 2 * config.layers * config.kv_heads * row;
}

std::int64_t blocks_that_fit(const Plan& plan, std::int64_t bytes_per_block, std::int64_t wanted,
                             std::int64_t memory_bytes) {
  const std::int64_t left = memory_bytes - (plan.total() - plan.kv_cache);
  return left <= 0 ? 0 : std::min(wanted, left / bytes_per_block);
}

void check_fits(const Plan& plan, std::int64_t memory_bytes, const std::string& place) {
  if (plan.total() <= memory_bytes) return;
  fail(Code::kResourceExhausted,
       "[{}] the model does not fit: {}, and {} of memory are to be had; use a smaller type (dtype), fewer positions "
       "(n_positions) or fewer sequences at once, or raise GANGLION_MEMORY_BYTES if that is what limits it",
       place, plan.text(), size_text(memory_bytes));
}

}  // namespace ganglion::planner
