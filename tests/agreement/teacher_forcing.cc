#include "agreement/teacher_forcing.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <numeric>

#include "base/cores.h"
#include "base/error.h"
#include "base/file.h"
#include "base/thread_pool.h"
#include "checkpoint/store.h"
#include "engine/model.h"
#include "models/registry.h"
#include "runtime/executable.h"
#include "tokenizer/tokenizer.h"

namespace ganglion::agreement {
namespace {

constexpr std::int64_t kBlock = 32;

Tensor s32(Dims dims, const std::vector<std::int32_t>& values) {
  return Tensor::from<std::int32_t>(DType::kS32, std::move(dims), values);
}

std::vector<std::int32_t> counting(std::int64_t count) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(count));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

double log_sum_exp(std::span<const float> logits) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float value : logits) sum += std::exp(value - highest);
  return highest + std::log(sum);
}

}  // namespace

Predictions predict(const std::filesystem::path& model, models::Types types,
                    const std::vector<std::vector<std::int32_t>>& windows) {
  const models::Config config = models::read_config(model);
  const checkpoint::Store store = checkpoint::Store::open(model);
  const models::Family& family = models::find_family(config.model_type);
  std::int64_t longest = 0;
  for (const auto& window : windows) longest = std::max(longest, static_cast<std::int64_t>(window.size()));
  models::StepOptions options{.types = types, .size = {}, .tp = 1};
  options.size.tokens = options.size.logit_rows = longest;
  options.size.block_size = kBlock;
  options.size.blocks = options.size.max_blocks = (longest + kBlock - 1) / kBlock;
  models::Step step = family.build(config, options, models::checkpoint_weights(store, family.optional_prefixes));
  ThreadPool pool(available_cores());
  const auto executable = runtime::compile_for_cpu(std::move(step.module), {.ranks = 1, .isa = "", .pool = &pool});
  std::vector<runtime::WeightSources> weights;
  for (const models::WeightBinding& weight : step.weights) weights.push_back({weight.parameter, weight.per_rank});
  executable->load_weights(std::move(weights));

  Predictions out;
  const Tensor table = s32({1, options.size.max_blocks}, counting(options.size.max_blocks));
  for (const auto& window : windows) {
    const auto count = static_cast<std::int64_t>(window.size());
    const std::vector<std::int32_t> zeros(window.size(), 0);
    const Tensor ids = s32({count}, window), order = s32({count}, counting(count)), sequence = s32({count}, zeros);
    const Tensor size = s32({}, {static_cast<std::int32_t>(count)});
    const std::vector<std::vector<TensorView>> inputs = {{size.view(), size.view(), ids.view(), order.view(),
                                                          sequence.view(), order.view(), table.view(), order.view()}};
    Tensor logits(DType::kF32, {longest, config.vocab});
    std::vector<std::vector<MutableTensorView>> results = {{logits.mutable_view()}};
    executable->run(inputs, results);
    for (std::int64_t i = 0; i + 1 < count; ++i) {
      const auto row = logits.as<float>().subspan(static_cast<std::size_t>(i * config.vocab),
                                                  static_cast<std::size_t>(config.vocab));
      out.best.push_back(static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
      out.nats += log_sum_exp(row) - row[static_cast<std::size_t>(window[static_cast<std::size_t>(i + 1)])];
    }
  }
  out.nats /= static_cast<double>(out.best.size());
  return out;
}

double agreement(const Predictions& a, const Predictions& b) {
  GANGLION_CHECK(a.best.size() == b.best.size() && !a.best.empty());
  std::int64_t same = 0;
  for (std::size_t i = 0; i < a.best.size(); ++i) same += a.best[i] == b.best[i] ? 1 : 0;
  return static_cast<double>(same) / static_cast<double>(a.best.size());
}

std::vector<std::vector<std::int32_t>> self_written(const std::filesystem::path& model, std::int64_t count) {
  ThreadPool pool(available_cores());
  engine::EngineOptions options;
  options.pool = &pool;
  const engine::Model loaded = engine::load_model(model, options);
  const std::int64_t length = loaded.engine->n_positions() - 1;
  const auto windows = static_cast<std::size_t>((count + length - 1) / length);
  std::vector<std::vector<std::int32_t>> out(windows);
  std::vector<std::promise<void>> ended(windows);
  for (std::size_t i = 0; i < windows; ++i) {
    engine::Request request;
    request.prompt = {static_cast<std::int32_t>(loaded.config.bos)};
    request.max_new_tokens = length;
    request.sampling.greedy = false;
    request.sampling.suppress_eos = true;
    request.sampling.seed = 1000 + i;
    out[i] = request.prompt;
    request.on_token = [&out, &ended, i](const engine::TokenEvent& event) {
      if (event.id >= 0) out[i].push_back(event.id);
      if (event.error)
        ended[i].set_exception(event.error);
      else if (event.finish != engine::FinishReason::kNone)
        ended[i].set_value();
    };
    loaded.engine->submit(std::move(request));
  }
  for (auto& promise : ended) promise.get_future().get();
  return out;
}

std::vector<std::vector<std::int32_t>> windows_of_text(const std::filesystem::path& model,
                                                       const std::filesystem::path& text) {
  const models::Config config = models::read_config(model);
  const auto ids = tokenizer::Tokenizer::load(model)->encode(read_text(text), {.add_special_tokens = false});
  std::vector<std::vector<std::int32_t>> out;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (out.empty() || static_cast<std::int64_t>(out.back().size()) == config.max_positions)
      out.push_back({static_cast<std::int32_t>(config.bos)});
    out.back().push_back(ids[i]);
  }
  return out;
}

}  // namespace ganglion::agreement
