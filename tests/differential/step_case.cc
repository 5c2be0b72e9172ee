#include "tests/differential/step_case.h"

#include <algorithm>
#include <utility>

#include "models/registry.h"

namespace ganglion::differential {
namespace {

constexpr std::int64_t kSequences = 3, kBlockSize = 16, kMaxBlocks = 3;

Tensor s32(const std::vector<std::int32_t>& values, Dims dims) {
  return Tensor::from<std::int32_t>(DType::kS32, std::move(dims), values);
}

std::vector<Tensor> inputs_of(bool bounded, bool wants_lengths) {
  const std::vector<std::int32_t> ids = {3, 7, 11, 49, 0, 5, 9, 2};
  const std::vector<std::int32_t> position = {0, 1, 2, 3, 4, 17, 0, 1};
  const std::vector<std::int32_t> sequence = {0, 0, 0, 0, 0, 1, 2, 2};
  const std::vector<std::int32_t> slot = {16, 17, 18, 19, 20, 5 * 16 + 1, 9 * 16, 9 * 16 + 1};
  const std::vector<std::int32_t> table = {1, 2, 3, 4, 5, 6, 9, 8, 7};
  const std::vector<std::int32_t> logit_rows = {4, 5, 7};
  const std::vector<std::int32_t> length = {5, 5, 5, 5, 5, 18, 2, 2};
  const auto tokens = static_cast<std::int32_t>(ids.size());
  const auto rows = static_cast<std::int32_t>(logit_rows.size());
  std::vector<Tensor> inputs;
  if (bounded) {
    inputs.push_back(s32({tokens}, {}));
    inputs.push_back(s32({rows}, {}));
  }
  for (const auto* values : {&ids, &position, &sequence, &slot}) inputs.push_back(s32(*values, {tokens}));
  inputs.push_back(s32(table, {kSequences, kMaxBlocks}));
  inputs.push_back(s32(logit_rows, {rows}));
  if (wants_lengths) inputs.push_back(s32(length, {tokens}));
  return inputs;
}

// As the weight's parameter keeps it.
Tensor stored(const TensorSource& source, const hlo::Shape& shape) {
  const Tensor loaded = read_all(source);
  Tensor out(shape.dtype, shape.dims);
  for (std::int64_t i = 0; i < out.elements(); ++i) {
    set_element_from_double(out.mutable_view(), i, element_as_double(loaded.view(), i));
  }
  return out;
}

}  // namespace

StepCase step_case(const models::Config& config, bool bounded, int tp, DType storage) {
  models::StepOptions options;
  options.types.storage = storage;
  options.types.kv = storage;
  options.tp = tp;
  options.size = {.tokens = bounded ? 32 : 8,
                  .sequences = kSequences,
                  .logit_rows = bounded ? 7 : 3,
                  .blocks = 12,
                  .block_size = kBlockSize,
                  .max_blocks = kMaxBlocks,
                  .bounded = bounded};
  StepCase out;
  out.step = models::find_family(config.model_type).build(config, options, models::random_weights(7));
  const auto parameters = out.step.module->entry->parameters();
  for (int rank = 0; rank < tp; ++rank) {
    Arguments& list = out.arguments.emplace_back(inputs_of(bounded, out.step.wants_lengths));
    list.resize(parameters.size());
    for (const models::WeightBinding& weight : out.step.weights) {
      const auto& source = weight.per_rank[weight.per_rank.size() == 1 ? 0 : static_cast<std::size_t>(rank)];
      const auto parameter = static_cast<std::size_t>(weight.parameter);
      list[parameter] = stored(*source, parameters[parameter]->shape);
    }
  }
  return out;
}

}  // namespace ganglion::differential
