#include "models/matmul_work.h"

#include "hlo/composite.h"
#include "models/registry.h"

namespace ganglion::models {

MatmulWork matmul_work(const Config& config) {
  StepOptions options;
  options.size.tokens = options.size.sequences = 2;
  options.size.logit_rows = 1;  // so that rows tell the head from the layers
  options.size.bounded = false;
  const Step step = find_family(config.model_type).build(config, options, random_weights(0));
  MatmulWork work;
  for (const auto& instruction : step.module->entry->instructions) {
    if (instruction->composite.name != hlo::kLinear) continue;
    const bool is_head = instruction->operands[0]->shape.dims[0] == options.size.logit_rows;
    (is_head ? work.head : work.layers) += element_count(instruction->operands[1]->shape.dims);
  }
  return work;
}

}  // namespace ganglion::models
