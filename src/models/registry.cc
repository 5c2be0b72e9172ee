#include "models/registry.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "models/gpt2.h"
#include "models/gptj.h"
#include "models/llama.h"
#include "models/opt.h"

namespace ganglion::models {

const std::vector<Family>& families() {
  static const std::vector<Family> table = {
      {"opt", read_opt_config, build_opt_step, published_opt_shapes, {"model."}},
      {"gpt2", read_gpt2_config, build_gpt2_step, published_gpt2_shapes, {"transformer."}},
      {"gpt_bigcode", read_gpt_bigcode_config, build_gpt2_step, published_gpt_bigcode_shapes, {"transformer."}},
      {"gptj", read_gptj_config, build_gptj_step, published_gptj_shapes, {"transformer."}},
      {"llama", read_llama_config, build_llama_step, published_llama_shapes, {"model."}},
  };
  return table;
}

const Family& find_family(std::string_view model_type) {
  std::vector<std::string_view> known;
  for (const Family& family : families()) {
    if (family.model_type == model_type) return family;
    known.push_back(family.model_type);
  }
  fail(Code::kUnsupported, "[config.json] model_type=\"{}\" is a family that is not supported; supported: {}",
       model_type, fmt::join(known, ", "));
}

void check_tp(const Config& config, int tp) {
  // Cached heads are shared out, or, when there are fewer than ranks, repeated.
  const auto fits = [&](std::int64_t degree) { return config.kv_heads % degree == 0 || degree % config.kv_heads == 0; };
  const auto works = [&](std::int64_t degree) {
    return config.heads % degree == 0 && fits(degree) && config.ffn % degree == 0;
  };
  if (tp >= 1 && works(tp)) return;
  std::vector<std::int64_t> degrees;
  for (std::int64_t degree = 1; degree <= config.heads; ++degree) {
    if (works(degree)) degrees.push_back(degree);
  }
  const std::string use = fmt::format("use {}", fmt::join(degrees, ", "));
  if (tp < 1) {
    fail(Code::kInvalidArgument, "[{}] tensor_parallel_degree={}: at least 1 is wanted; {}", config.model_type, tp,
         use);
  }
  if (config.heads % tp != 0) {
    fail(Code::kInvalidArgument, "[{}] tensor_parallel_degree={}: {} heads cannot be split in {}; {}",
         config.model_type, tp, config.heads, tp, use);
  }
  if (!fits(tp)) {
    fail(Code::kInvalidArgument,
         "[{}] tensor_parallel_degree={}: {} cached heads can neither be split in {} nor repeated for {} ranks; {}",
         config.model_type, tp, config.kv_heads, tp, tp, use);
  }
  fail(Code::kInvalidArgument, "[{}] tensor_parallel_degree={}: {} inner features cannot be split in {}; {}",
       config.model_type, tp, config.ffn, tp, use);
}

}  // namespace ganglion::models
