#include "reference/evaluate.h"

#include <cstring>
#include <string>

#include "base/error.h"
#include "hlo/verifier.h"
#include "reference/interpreter.h"

namespace ganglion::reference {
namespace {

void check_argument(const hlo::Module& module, const hlo::Instruction& parameter, const TensorView& argument) {
  const hlo::Shape& wanted = parameter.shape;
  if (wanted.is_tuple) {
    fail(Code::kUnsupported, "[reference] module {}: parameter {} is a tuple {}; only arrays can be passed",
         module.name, parameter.parameter_number, wanted.text());
  }
  bool fits = argument.dtype == wanted.dtype && argument.dims.size() == wanted.dims.size();
  for (std::size_t d = 0; fits && d < wanted.dims.size(); ++d) {
    const bool bounded = d == 0 && wanted.bounded;
    fits = bounded ? argument.dims[d] >= 0 && argument.dims[d] <= wanted.dims[d] : argument.dims[d] == wanted.dims[d];
  }
  if (!fits) {
    fail(Code::kInvalidArgument, "[reference] module {}: parameter {} (%{}) was given {}, wanted {}", module.name,
         parameter.parameter_number, parameter.name, shape_text(argument.dtype, argument.dims), wanted.text());
  }
}

std::vector<Value> check_arguments(const hlo::Module& module, std::span<const TensorView> arguments) {
  const std::vector<hlo::Instruction*> parameters = module.entry->parameters();
  if (arguments.size() != parameters.size()) {
    fail(Code::kInvalidArgument, "[reference] module {}: {} arguments for {} parameters", module.name, arguments.size(),
         parameters.size());
  }
  std::vector<Value> values;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    check_argument(module, *parameters[p], arguments[p]);
    values.push_back({arguments[p], nullptr, false, {}});
  }
  for (const hlo::RowBinding& binding : module.row_bindings) {
    const TensorView& rows = arguments[static_cast<std::size_t>(binding.parameter)];
    const std::int64_t size = load(arguments[static_cast<std::size_t>(binding.size)], 0).integer;
    if (rows.dims.at(0) != size) {
      fail(Code::kInvalidArgument,
           "[reference] module {}: parameter {} was given {} rows, but its size parameter {} says {}", module.name,
           binding.parameter, rows.dims[0], binding.size, size);
    }
  }
  return values;
}

Tensor copy_of(const Value& value) {
  Tensor copy(value.view.dtype, value.view.dims);
  if (copy.bytes() != 0) std::memcpy(copy.data(), value.view.data, copy.bytes());
  return copy;
}

std::vector<Tensor> results_of(const hlo::Module& module, const Value& root) {
  std::vector<Tensor> results;
  if (!root.is_tuple) {
    results.push_back(copy_of(root));
    return results;
  }
  for (const Value& element : root.elements) {
    if (element.is_tuple)
      fail(Code::kUnsupported, "[reference] module {}: a result is a tuple in a tuple", module.name);
    results.push_back(copy_of(element));
  }
  return results;
}

}  // namespace

std::vector<Tensor> evaluate(const hlo::Module& module, std::span<const TensorView> arguments,
                             const EvaluateOptions& options) {
  const std::vector<TensorView> of_rank(arguments.begin(), arguments.end());
  return std::move(evaluate_ranks(module, {&of_rank, 1}, options)[0]);
}

std::vector<std::vector<Tensor>> evaluate_ranks(const hlo::Module& module,
                                                std::span<const std::vector<TensorView>> arguments,
                                                const EvaluateOptions& options) {
  if (arguments.empty()) fail(Code::kInvalidArgument, "[reference] module {}: 0 ranks; wanted 1 or more", module.name);
  hlo::verify(module);
  std::vector<int> ranks;
  std::vector<std::vector<Value>> values;
  for (const std::vector<TensorView>& of_rank : arguments) {
    ranks.push_back(static_cast<int>(ranks.size()));
    values.push_back(check_arguments(module, of_rank));
  }
  Interpreter interpreter(options);
  std::vector<std::vector<Tensor>> results;
  for (const Value& root : interpreter.run(*module.entry, ranks, values)) results.push_back(results_of(module, root));
  return results;
}

}  // namespace ganglion::reference
