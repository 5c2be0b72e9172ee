#include "reference/interpreter.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace ganglion::reference {
namespace {

using hlo::Opcode;

constexpr int kMaxDepth = 200;  // of nested calls; each takes a few hundred bytes of stack

bool is_collective(Opcode opcode) { return opcode == Opcode::kAllReduce || opcode == Opcode::kAllGather; }

bool runs_together(Opcode opcode) {
  return is_collective(opcode) || opcode == Opcode::kCall || opcode == Opcode::kWhile;
}

Value results_value(const hlo::Instruction& instruction, std::vector<Tensor> results) {
  if (!instruction.shape.is_tuple) return Value::array(std::move(results.at(0)));
  std::vector<Value> elements;
  for (Tensor& result : results) elements.push_back(Value::array(std::move(result)));
  return Value::tuple(std::move(elements));
}

}  // namespace

Interpreter::Plan::Plan(const hlo::Computation& computation)
    : rows(computation), last_use(computation.instructions.size(), 0) {
  for (std::size_t i = 0; i < computation.instructions.size(); ++i) {
    const hlo::Instruction& instruction = *computation.instructions[i];
    position.emplace(&instruction, i);
    last_use[i] = i;
    for (const hlo::Instruction* operand : instruction.operands) last_use[position.at(operand)] = i;
    talks = talks || is_collective(instruction.opcode);
  }
  last_use[position.at(computation.root)] = std::numeric_limits<std::size_t>::max();
}

const Interpreter::Plan& Interpreter::plan_of(const hlo::Computation& computation) {
  auto& plan = plans_[&computation];
  if (plan == nullptr) {
    auto made = std::make_unique<Plan>(computation);
    for (const auto& instruction : computation.instructions) {
      for (const hlo::Computation* called : instruction->called) made->talks = made->talks || talks(*called);
    }
    plans_[&computation] = std::move(made);
  }
  return *plans_[&computation];
}

bool Interpreter::talks(const hlo::Computation& computation) { return plan_of(computation).talks; }

std::vector<Value> Interpreter::run(const hlo::Computation& computation, const std::vector<int>& ranks,
                                    const std::vector<std::vector<Value>>& arguments) {
  if (depth_ >= kMaxDepth) {
    fail(Code::kUnsupported, "[reference] computation {}: calls nest deeper than {}", computation.name, kMaxDepth);
  }
  ++depth_;
  const Plan& plan = plan_of(computation);
  const std::vector<hlo::Instruction*> parameters = computation.parameters();
  std::vector<Frame> frames(ranks.size());
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    GANGLION_CHECK(arguments[r].size() == parameters.size());
    frames[r].values.resize(computation.instructions.size());
    frames[r].rows.assign(static_cast<std::size_t>(plan.rows.count()), -1);
    // All parameters first: a broadcast may stand before the parameter that says how many rows it has.
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      frames[r].values[plan.position.at(parameters[p])] = arguments[r][p];
      remember_rows(*parameters[p], plan, frames[r], arguments[r][p]);
    }
  }

  for (std::size_t i = 0; i < computation.instructions.size(); ++i) {
    const hlo::Instruction& instruction = *computation.instructions[i];
    if (instruction.opcode == Opcode::kParameter) continue;
    if (runs_together(instruction.opcode)) {
      std::vector<std::vector<Value>> operands(ranks.size());
      for (std::size_t r = 0; r < ranks.size(); ++r) {
        for (const hlo::Instruction* operand : instruction.operands)
          operands[r].push_back(frames[r].values[plan.position.at(operand)]);
      }
      std::vector<Value> values = evaluate_together(instruction, ranks, operands);
      for (std::size_t r = 0; r < ranks.size(); ++r) frames[r].values[i] = std::move(values[r]);
    } else {
      for (std::size_t r = 0; r < ranks.size(); ++r) {
        frames[r].values[i] = evaluate_alone(instruction, plan, frames[r], ranks[r]);
      }
    }
    for (Frame& frame : frames) {
      remember_rows(instruction, plan, frame, frame.values[i]);
      for (const hlo::Instruction* operand : instruction.operands) {
        const std::size_t position = plan.position.at(operand);
        if (plan.last_use[position] == i) frame.values[position] = Value{};
      }
    }
  }

  std::vector<Value> results;
  for (Frame& frame : frames) results.push_back(frame.values[plan.position.at(computation.root)]);
  --depth_;
  return results;
}

Dims Interpreter::dims_in_this_run(const hlo::Instruction& instruction, const Plan& plan, const Frame& frame) const {
  Dims dims = instruction.shape.dims;
  if (!instruction.shape.is_tuple && instruction.shape.bounded) {
    const std::int64_t rows = frame.rows[static_cast<std::size_t>(plan.rows.of(&instruction))];
    if (rows < 0) {
      fail(Code::kUnsupported,
           "{}: nothing says how many rows {} has; combine it with a bounded parameter of this computation",
           hlo::where(instruction), instruction.shape.text());
    }
    dims.at(0) = rows;
  }
  return dims;
}

void Interpreter::remember_rows(const hlo::Instruction& instruction, const Plan& plan, Frame& frame,
                                const Value& value) const {
  const int row_class = plan.rows.of(&instruction);
  if (row_class < 0) return;
  std::int64_t& rows = frame.rows[static_cast<std::size_t>(row_class)];
  const std::int64_t seen = value.view.dims.at(0);
  if (rows >= 0 && rows != seen) {
    fail(Code::kInvalidArgument, "{}: {} has {} rows in this run, but what it is combined with has {}",
         hlo::where(instruction), instruction.shape.text(), seen, rows);
  }
  rows = seen;
}

Value Interpreter::evaluate_alone(const hlo::Instruction& instruction, const Plan& plan, const Frame& frame, int rank) {
  const auto value_of = [&](std::size_t operand) -> const Value& {
    return frame.values[plan.position.at(instruction.operands.at(operand))];
  };
  switch (instruction.opcode) {
    case Opcode::kTuple: {
      std::vector<Value> elements;
      for (std::size_t i = 0; i < instruction.operands.size(); ++i) elements.push_back(value_of(i));
      return Value::tuple(std::move(elements));
    }
    case Opcode::kGetTupleElement:
      return value_of(0).elements.at(static_cast<std::size_t>(instruction.tuple_index));
    case Opcode::kConstant:
      return {instruction.literal->view(), instruction.literal, false, {}};
    case Opcode::kReplicaId: {
      const auto id = static_cast<std::uint32_t>(rank);
      return Value::array(Tensor::from<std::uint32_t>(DType::kU32, {}, {&id, 1}));
    }
    case Opcode::kCustomCall:
      fail(Code::kUnsupported, "{}custom-call \"{}\" cannot be evaluated; write it as a composite, whose body can",
           hlo::where(instruction), instruction.custom_call_target);
    default:
      break;
  }

  Operands operands;
  for (std::size_t i = 0; i < instruction.operands.size(); ++i) operands.push_back(value_of(i).view);
  switch (instruction.opcode) {
    case Opcode::kReduce:
      return results_value(instruction, reduce(instruction, operands, scalar_function(*instruction.called.at(0))));
    case Opcode::kSort:
      return results_value(instruction, sort(instruction, operands, scalar_function(*instruction.called.at(0))));
    case Opcode::kScatter:
      return Value::array(scatter(instruction, operands, scalar_function(*instruction.called.at(0))));
    default:
      break;
  }

  const Dims dims = dims_in_this_run(instruction, plan, frame);
  switch (instruction.opcode) {
    case Opcode::kReshape: {
      if (element_count(dims) != element_count(operands[0].dims)) expect_dims(instruction, operands[0].dims, dims);
      return value_of(0).with_dims(dims);
    }
    case Opcode::kDot:
      return Value::array(dot(instruction, operands, dims));
    case Opcode::kGather:
      return Value::array(gather(instruction, operands, dims));
    case Opcode::kIota:
    case Opcode::kBroadcast:
    case Opcode::kTranspose:
    case Opcode::kConcatenate:
    case Opcode::kSlice:
    case Opcode::kDynamicSlice:
    case Opcode::kDynamicUpdateSlice:
    case Opcode::kPad:
    case Opcode::kReverse:
      return Value::array(shape_op(instruction, operands, dims));
    default:
      return Value::array(elementwise(instruction, operands, dims));
  }
}

}  // namespace ganglion::reference
