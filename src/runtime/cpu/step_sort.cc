// Sorts every line along one dimension by a permutation that all operands share. Always stable.
#include <algorithm>
#include <cstring>

#include "runtime/cpu/callee.h"
#include "runtime/cpu/steps.h"

namespace ganglion::runtime::cpu {

void run_step(const program::SortParams& params, const StepContext& context) {
  const program::Step& step = context.step;
  const Dims dims = context.frames[0].dims(step.operands[0]);
  const auto dimension = static_cast<std::size_t>(params.dimension);
  std::int64_t inner = 1, outer = 1;
  for (std::size_t d = 0; d < dims.size(); ++d) (d < dimension ? outer : inner) *= d == dimension ? 1 : dims[d];
  const std::int64_t length = dims[dimension];
  if (length == 0) return;
  for_share(context, outer * inner, length * 2048, 1, [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
    Callee comes_before(*step.called[0], frame, context.team);
    std::vector<std::int64_t> order(static_cast<std::size_t>(length));
    std::vector<const std::byte*> arguments(2 * step.operands.size());
    for (std::int64_t line = begin; line < end; ++line) {
      const std::int64_t start = line / inner * inner * length + line % inner;
      const auto element = [&](const program::Operand& operand, std::int64_t i) {
        return frame.at(operand) + (start + i * inner) * static_cast<std::int64_t>(dtype_size(operand.dtype));
      };
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
      std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        for (std::size_t n = 0; n < step.operands.size(); ++n) {
          arguments[2 * n] = element(step.operands[n], a);
          arguments[2 * n + 1] = element(step.operands[n], b);
        }
        return *comes_before(arguments) != std::byte{0};
      });
      for (std::size_t n = 0; n < step.operands.size(); ++n) {
        for (std::size_t i = 0; i < order.size(); ++i) {
          std::memcpy(element(step.results[n], static_cast<std::int64_t>(i)), element(step.operands[n], order[i]),
                      dtype_size(step.operands[n].dtype));
        }
      }
    }
  });
}

}  // namespace ganglion::runtime::cpu
