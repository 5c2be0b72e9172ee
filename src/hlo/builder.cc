#include "hlo/builder.h"

#include <fmt/format.h>

#include <map>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "hlo/shape_inference.h"
#include "hlo/verifier.h"

namespace ganglion::hlo {

// `current` is the computation being written: the entry, or the one that computation() switched to.
struct Builder::State {
  std::unique_ptr<Module> module = std::make_unique<Module>();
  std::unique_ptr<Computation> entry = std::make_unique<Computation>();  // joins the module last: callees come first
  Computation* current = nullptr;
  std::int64_t next_id = 0;
  std::int64_t next_parameter = 0;
  std::vector<std::string> places;
  std::map<std::pair<Opcode, DType>, Computation*> binaries;
  std::map<std::string, Computation*> bodies;  // of composites, by name, attributes and operand shapes
};

Builder::Builder(std::string module_name) : state_(std::make_unique<State>()) {
  state_->module->name = std::move(module_name);
  state_->entry->name = "main";
  state_->current = state_->entry.get();
}

Builder::~Builder() = default;

std::string Builder::current_place() const {
  std::string out;
  for (const std::string& place : state_->places) {
    if (!out.empty()) out += out.back() == ']' ? " " : ": ";
    out += place;
  }
  return out;
}

Builder::Place::Place(Builder& builder, std::string text) : builder_(builder) {
  builder_.state_->places.push_back(std::move(text));
}

Builder::Place::~Place() { builder_.state_->places.pop_back(); }

Value Builder::add(std::unique_ptr<Instruction> instruction) {
  instruction->place = current_place();
  instruction->shape = infer_shape(*instruction);
  if (instruction->name.empty()) {
    instruction->name = fmt::format("{}.{}", opcode_name(instruction->opcode), state_->next_id++);
  }
  Instruction* raw = instruction.get();
  state_->current->instructions.push_back(std::move(instruction));
  return {this, raw};
}

Value Builder::entry_parameter(const std::string& name, Shape shape, ParameterRole role, bool sharded) {
  if (state_->current != state_->entry.get()) {
    fail(Code::kInternal, "[builder] parameter {} of the entry declared while another computation is written", name);
  }
  auto instruction = std::make_unique<Instruction>();
  instruction->opcode = Opcode::kParameter;
  instruction->name = name;
  instruction->shape = std::move(shape);
  instruction->parameter_number = state_->next_parameter++;
  instruction->role = role;
  instruction->sharded = sharded;
  return add(std::move(instruction));
}

Value Builder::input(const std::string& name, Shape shape) {
  return entry_parameter(name, std::move(shape), ParameterRole::kInput, false);
}

Value Builder::bounded_input(const std::string& name, Shape shape, Value size) {
  shape.bounded = true;
  const Value value = entry_parameter(name, std::move(shape), ParameterRole::kInput, false);
  state_->module->row_bindings.push_back({value.instruction()->parameter_number, size.instruction()->parameter_number});
  return value;
}

Value Builder::weight(const std::string& name, Shape shape, WeightOptions options) {
  return entry_parameter(name, std::move(shape), ParameterRole::kWeight, options.sharded);
}

Value Builder::state(const std::string& name, Shape shape) {
  return entry_parameter(name, std::move(shape), ParameterRole::kState, true);
}

Value Builder::parameter(std::int64_t number, Shape shape) {
  auto instruction = std::make_unique<Instruction>();
  instruction->opcode = Opcode::kParameter;
  instruction->shape = std::move(shape);
  instruction->parameter_number = number;
  return add(std::move(instruction));
}

Value Builder::constant(Tensor tensor) {
  auto instruction = std::make_unique<Instruction>();
  instruction->opcode = Opcode::kConstant;
  instruction->literal = std::make_shared<const Tensor>(std::move(tensor));
  return add(std::move(instruction));
}

Value Builder::scalar(DType dtype, double value) {
  Tensor tensor(dtype, {});
  set_element_from_double(tensor.mutable_view(), 0, value);
  return constant(std::move(tensor));
}

Value Builder::iota(Shape shape, std::int64_t dimension) {
  auto instruction = std::make_unique<Instruction>();
  instruction->opcode = Opcode::kIota;
  instruction->shape = std::move(shape);
  instruction->dimensions = {dimension};
  return add(std::move(instruction));
}

Value Builder::replica_id() {
  auto instruction = std::make_unique<Instruction>();
  instruction->opcode = Opcode::kReplicaId;
  return add(std::move(instruction));
}

Computation* Builder::computation(const std::string& name, const std::vector<Shape>& parameters,
                                  const std::function<Value(const std::vector<Value>&)>& write) {
  auto made = std::make_unique<Computation>();
  made->name = fmt::format("{}.{}", name, state_->next_id++);
  Computation* const outer = std::exchange(state_->current, made.get());
  try {
    std::vector<Value> values;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      values.push_back(parameter(static_cast<std::int64_t>(i), parameters[i]));
    }
    made->root = write(values).instruction();
  } catch (...) {
    state_->current = outer;
    throw;
  }
  state_->current = outer;
  state_->module->computations.push_back(std::move(made));  // after those it calls
  return state_->module->computations.back().get();
}

Computation* Builder::binary_computation(Opcode opcode, DType dtype) {
  Computation*& found = state_->binaries[{opcode, dtype}];
  if (found == nullptr) {
    const Shape scalar_shape = Shape::array(dtype, {});
    found = computation(fmt::format("{}_{}", opcode_name(opcode), dtype_name(dtype)), {scalar_shape, scalar_shape},
                        [&](const std::vector<Value>& p) { return binary(opcode, p[0], p[1]); });
  }
  return found;
}

Value Builder::composite(Composite composite, const std::vector<Value>& operands,
                         const std::function<Value(const std::vector<Value>&)>& write) {
  std::string key = fmt::format("{};{}", composite.name, composite.version);
  for (const auto& [name, value] : composite.attributes) key += fmt::format(";{}={}", name, value);
  std::vector<Shape> shapes;
  for (const Value& operand : operands) {
    shapes.push_back(operand.shape());
    key += ";" + operand.shape().text();
  }
  Computation*& body = state_->bodies[key];
  if (body == nullptr) body = computation(composite.name, shapes, write);
  auto instruction = std::make_unique<Instruction>();
  instruction->opcode = Opcode::kCall;
  for (const Value& operand : operands) instruction->operands.push_back(operand.instruction());
  instruction->called = {body};
  instruction->composite = std::move(composite);
  return add(std::move(instruction));
}

std::unique_ptr<Module> Builder::finish(const std::vector<Value>& outputs, const std::vector<AliasTo>& aliases) {
  GANGLION_CHECK(state_->current == state_->entry.get());
  auto root = std::make_unique<Instruction>();
  root->opcode = Opcode::kTuple;
  for (const Value& output : outputs) root->operands.push_back(output.instruction());
  state_->entry->root = add(std::move(root)).instruction();
  std::unique_ptr<Module> module = std::move(state_->module);
  for (const AliasTo& alias : aliases) {
    module->aliases.push_back({alias.output, alias.state.instruction()->parameter_number});
  }
  module->computations.push_back(std::move(state_->entry));
  module->entry = module->computations.back().get();
  verify(*module);
  return module;
}

}  // namespace ganglion::hlo
