// What to say of logits that are not finite numbers: where in the model they began. Costs nothing until it is asked.
#pragma once

#include <exception>
#include <string>
#include <vector>

#include "engine/scheduler.h"
#include "engine/step_inputs.h"
#include "runtime/executable.h"

namespace ganglion::engine {

// Of one run of the step, after it and before the inputs are filled again. Not thread-safe.
class NotFinite {
 public:
  NotFinite(runtime::Executable& executable, const StepInputs& inputs,
            std::vector<std::vector<MutableTensorView>>& results, const std::vector<Chunk>& chunks);

  // Error{kInternal} that names the first operation whose values for the row's sequence are not finite; `otherwise`
  // when all are. `row` counts the chunks that are their sequence's last. The step runs once more the first time this
  // is called.
  std::exception_ptr error(std::size_t row, std::exception_ptr otherwise);

 private:
  void look();

  runtime::Executable& executable_;
  const StepInputs& inputs_;
  std::vector<std::vector<MutableTensorView>>& results_;
  const std::vector<Chunk>& chunks_;
  std::vector<std::string> places_;  // by row of logits; none: not looked for yet
};

}  // namespace ganglion::engine
