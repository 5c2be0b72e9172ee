#include "nn/activation.h"

#include "hlo/composite.h"

namespace ganglion::nn {

hlo::Value activate(hlo::Value x, ActivationFunction function) {
  switch (function) {
    case ActivationFunction::kRelu:
      return hlo::maximum(x, hlo::broadcast_like(x.builder()->scalar(x.dtype(), 0), x, {}));
    case ActivationFunction::kGeluErf:
      return hlo::gelu(x, hlo::GeluForm::kErf);
    case ActivationFunction::kSilu:
      return hlo::silu(x);
    case ActivationFunction::kGeluTanh:
      break;
  }
  return hlo::gelu(x, hlo::GeluForm::kTanh);
}

}  // namespace ganglion::nn
