// What involves all ranks at once or runs another computation: call, while, collectives, computations on scalars.
#include "base/error.h"
#include "reference/interpreter.h"

namespace ganglion::reference {
namespace {

using hlo::Opcode;

// A computation whose every value is a scalar and every instruction elementwise: it can run without tensors.
bool is_scalar_computation(const hlo::Computation& computation) {
  for (const auto& instruction : computation.instructions) {
    const Opcode opcode = instruction->opcode;
    if (opcode == Opcode::kTuple && instruction.get() == computation.root) continue;
    if (instruction->shape.is_tuple || !instruction->shape.dims.empty()) return false;
    const bool known = opcode == Opcode::kParameter || opcode == Opcode::kConstant || opcode == Opcode::kConvert ||
                       opcode == Opcode::kCompare || opcode == Opcode::kSelect || hlo::is_elementwise_unary(opcode) ||
                       hlo::is_elementwise_binary(opcode);
    if (!known) return false;
  }
  return true;
}

struct ScalarStep {
  const hlo::Instruction* instruction;
  std::vector<std::size_t> operands;  // positions in the computation
  std::size_t result;
};

Scalar scalar_step(const ScalarStep& step, const std::vector<Scalar>& arguments, const std::vector<Scalar>& values) {
  const hlo::Instruction& instruction = *step.instruction;
  const auto operand = [&](std::size_t i) -> const Scalar& { return values[step.operands[i]]; };
  switch (instruction.opcode) {
    case Opcode::kParameter:
      return arguments.at(static_cast<std::size_t>(instruction.parameter_number));
    case Opcode::kConstant:
      return load(instruction.literal->view(), 0);
    case Opcode::kConvert:
      return convert(instruction.shape.dtype, operand(0));
    case Opcode::kCompare:
      return {DType::kPred, 0, compare(instruction.comparison, operand(0), operand(1))};
    case Opcode::kSelect:
      return operand(0).integer != 0 ? operand(1) : operand(2);
    default:
      return step.operands.size() == 1 ? apply(instruction.opcode, operand(0))
                                       : apply(instruction.opcode, operand(0), operand(1));
  }
}

ScalarFunction without_tensors(const hlo::Computation& computation) {
  std::unordered_map<const hlo::Instruction*, std::size_t> position;
  std::vector<ScalarStep> steps;
  for (const auto& instruction : computation.instructions) {
    ScalarStep step{instruction.get(), {}, position.size()};
    for (const hlo::Instruction* operand : instruction->operands) step.operands.push_back(position.at(operand));
    position.emplace(instruction.get(), step.result);
    if (instruction->opcode != Opcode::kTuple) steps.push_back(std::move(step));
  }
  std::vector<std::size_t> results;
  if (computation.root->shape.is_tuple) {
    for (const hlo::Instruction* element : computation.root->operands) results.push_back(position.at(element));
  } else {
    results.push_back(position.at(computation.root));
  }
  return [steps, results, count = position.size()](const std::vector<Scalar>& arguments) {
    std::vector<Scalar> values(count);
    for (const ScalarStep& step : steps) values[step.result] = scalar_step(step, arguments, values);
    std::vector<Scalar> found;
    for (const std::size_t result : results) found.push_back(values[result]);
    return found;
  };
}

Value scalar_value(const Scalar& scalar) {
  Tensor tensor(scalar.dtype, {});
  store(tensor.mutable_view(), 0, scalar);
  return Value::array(std::move(tensor));
}

}  // namespace

ScalarFunction Interpreter::scalar_function(const hlo::Computation& computation) {
  const hlo::Instruction& root = *computation.root;
  const std::vector<hlo::Instruction*> parameters = computation.parameters();
  if (hlo::is_elementwise_binary(root.opcode) && root.operands[0] == parameters.at(0) &&
      root.operands[1] == parameters.at(1)) {
    return [opcode = root.opcode](const std::vector<Scalar>& arguments) {
      return std::vector<Scalar>{apply(opcode, arguments[0], arguments[1])};
    };
  }
  if (is_scalar_computation(computation)) return without_tensors(computation);
  if (talks(computation)) {
    fail(Code::kUnsupported,
         "[reference] computation {}: a collective cannot run inside reduce, scatter, sort or all-reduce",
         computation.name);
  }
  return [this, &computation](const std::vector<Scalar>& arguments) {
    std::vector<Value> values;
    for (const Scalar& argument : arguments) values.push_back(scalar_value(argument));
    const Value root_value = run(computation, {0}, {std::move(values)}).at(0);
    if (!root_value.is_tuple) return std::vector<Scalar>{load(root_value.view, 0)};
    std::vector<Scalar> results;
    for (const Value& element : root_value.elements) results.push_back(load(element.view, 0));
    return results;
  };
}

std::vector<Value> Interpreter::evaluate_together(const hlo::Instruction& instruction, const std::vector<int>& ranks,
                                                  const std::vector<std::vector<Value>>& operands) {
  if (instruction.opcode == Opcode::kCall) return run(*instruction.called.at(0), ranks, operands);
  if (instruction.opcode == Opcode::kWhile) {
    std::vector<Value> states;
    for (const std::vector<Value>& of_rank : operands) states.push_back(of_rank.at(0));
    return run_while(instruction, ranks, std::move(states));
  }

  std::vector<Value> results(ranks.size());
  for (const std::vector<std::size_t>& group : members_of_groups(instruction, ranks)) {
    std::vector<Value> elements;  // one per operand
    for (std::size_t i = 0; i < instruction.operands.size(); ++i) {
      Operands brought;
      for (const std::size_t member : group) brought.push_back(operands[member][i].view);
      for (const TensorView& view : brought) expect_dims(instruction, view.dims, brought[0].dims);
      if (instruction.opcode == Opcode::kAllReduce) {
        elements.push_back(Value::array(all_reduce(brought, scalar_function(*instruction.called.at(0)))));
      } else {
        elements.push_back(Value::array(all_gather(instruction, brought)));
      }
    }
    const Value combined = instruction.shape.is_tuple ? Value::tuple(std::move(elements)) : elements.at(0);
    for (const std::size_t member : group) results[member] = combined;
  }
  return results;
}

std::vector<Value> Interpreter::run_while(const hlo::Instruction& instruction, const std::vector<int>& ranks,
                                          std::vector<Value> state) {
  const hlo::Computation& condition = *instruction.called.at(0);
  const hlo::Computation& body = *instruction.called.at(1);
  // Without collectives each rank takes as many turns as it wants.
  if (ranks.size() > 1 && !talks(condition) && !talks(body)) {
    for (std::size_t r = 0; r < ranks.size(); ++r) state[r] = run_while(instruction, {ranks[r]}, {state[r]}).at(0);
    return state;
  }
  while (true) {
    std::vector<std::vector<Value>> arguments;
    for (const Value& of_rank : state) arguments.push_back({of_rank});
    std::vector<bool> goes_on;
    for (const Value& value : run(condition, ranks, arguments)) goes_on.push_back(load(value.view, 0).integer != 0);
    for (std::size_t r = 1; r < ranks.size(); ++r) {
      if (goes_on[r] != goes_on[0]) {
        fail(Code::kInvalidArgument, "{}: rank {} goes on and rank {} stops, but the loop has a collective",
             hlo::where(instruction), ranks[goes_on[r] ? r : 0], ranks[goes_on[r] ? 0 : r]);
      }
    }
    if (!goes_on[0]) return state;
    if (++iterations_ > options_.iteration_limit) {
      fail(Code::kDeadlineExceeded, "{}: more than {} iterations; see EvaluateOptions::iteration_limit",
           hlo::where(instruction), options_.iteration_limit);
    }
    state = run(body, ranks, arguments);
  }
}

}  // namespace ganglion::reference
