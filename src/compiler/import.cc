#include "compiler/import.h"

#include <map>
#include <unordered_map>

#include "base/error.h"
#include "compiler/composites.h"
#include "compiler/element_ops.h"

namespace ganglion::compiler {
namespace {

using hlo::Computation;
using hlo::Instruction;
using hlo::Opcode;
using Values = std::vector<Value>;

constexpr std::size_t kMaxNodes = 1'000'000;
constexpr int kMaxCallDepth = 256;

void flatten(const hlo::Shape& shape, std::vector<hlo::Shape>& out) {
  if (!shape.is_tuple) {
    out.push_back(shape);
    return;
  }
  for (const hlo::Shape& element : shape.elements) flatten(element, out);
}

class Importer {
 public:
  explicit Importer(Unit& unit) : unit_(unit) {}

  Graph entry() {
    const Computation& computation = *unit_.module->entry;
    graph_.name = unit_.module->name;
    graph_.entry = true;
    const std::vector<Instruction*> parameters = computation.parameters();
    std::unordered_map<std::int64_t, std::int32_t> size_index;
    std::vector<std::int32_t> rows(parameters.size(), program::kAllRows);
    for (const hlo::RowBinding& binding : unit_.module->row_bindings) {
      const auto [found, fresh] = size_index.try_emplace(binding.size, static_cast<std::int32_t>(unit_.sizes.size()));
      const Instruction& parameter = *parameters[static_cast<std::size_t>(binding.parameter)];
      if (fresh) {
        unit_.sizes.push_back({-1, parameter.shape.dims[0]});
        unit_.size_parameters.push_back(binding.size);
      }
      program::SizeSlot& size = unit_.sizes[static_cast<std::size_t>(found->second)];
      size.bound = std::min(size.bound, parameter.shape.dims[0]);
      rows[static_cast<std::size_t>(binding.parameter)] = found->second;
    }
    std::vector<Values> arguments;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      arguments.push_back(parameter(*parameters[i]));
      for (const Value value : arguments.back()) {
        graph_.nodes[static_cast<std::size_t>(value.node)].results[0].rows = rows[i];
        graph_.parameters.push_back(value);
      }
    }
    graph_.outputs = run(computation, arguments);
    return std::move(graph_);
  }

  // A computation that stays one: reducers, comparators, loop bodies.
  std::shared_ptr<Graph> callee(const Computation& computation) {
    Importer importer(unit_);
    importer.graph_.name = computation.name;
    importer.total_ = total_;
    importer.depth_ = depth_;
    std::vector<Values> arguments;
    for (const Instruction* instruction : computation.parameters()) {
      arguments.push_back(importer.parameter(*instruction));
      for (const Value value : arguments.back()) importer.graph_.parameters.push_back(value);
    }
    importer.graph_.outputs = importer.run(computation, arguments);
    total_ = importer.total_;
    return std::make_shared<Graph>(std::move(importer.graph_));
  }

 private:
  Value add(Node node) {
    if (++total_ > kMaxNodes) {
      fail(Code::kResourceExhausted,
           "[compiler] {}: the module has more than {} instructions when its calls are inlined", graph_.name,
           kMaxNodes);
    }
    graph_.nodes.push_back(std::move(node));
    return {static_cast<std::int32_t>(graph_.nodes.size()) - 1, 0};
  }

  Values parameter(const Instruction& instruction) {
    std::vector<hlo::Shape> shapes;
    flatten(instruction.shape, shapes);
    Values values;
    for (hlo::Shape& shape : shapes) {
      Node node;
      node.origin = &instruction;
      node.opcode = Opcode::kParameter;
      node.results.push_back({std::move(shape), program::kAllRows});
      values.push_back(add(std::move(node)));
    }
    return values;
  }

  Values run(const Computation& computation, const std::vector<Values>& arguments) {
    if (++depth_ > kMaxCallDepth) {
      fail(Code::kResourceExhausted, "[compiler] {}: calls are nested deeper than {}", graph_.name, kMaxCallDepth);
    }
    std::unordered_map<const Instruction*, Values> values;
    values.reserve(computation.instructions.size());
    for (const auto& instruction : computation.instructions) {
      values[instruction.get()] = evaluate(*instruction, arguments, values);
    }
    --depth_;
    return values.at(computation.root);
  }

  Values evaluate(const Instruction& in, const std::vector<Values>& arguments,
                  const std::unordered_map<const Instruction*, Values>& values) {
    if (in.opcode == Opcode::kParameter) return arguments[static_cast<std::size_t>(in.parameter_number)];
    if (in.opcode == Opcode::kGetTupleElement) return element_of_tuple(in, values);
    if (in.opcode == Opcode::kCustomCall) {
      fail(Code::kUnsupported, "{} {}: custom-call \"{}\" has no CPU kernel", in.place, in.name, in.custom_call_target);
    }
    Values operands;
    for (const Instruction* operand : in.operands) {
      const Values& flat = values.at(operand);
      operands.insert(operands.end(), flat.begin(), flat.end());
    }
    if (in.opcode == Opcode::kTuple) return operands;
    Node node;
    node.origin = &in;
    node.opcode = in.opcode;
    if (in.opcode == Opcode::kCall) {
      if (!recognised(in, operands, node)) {
        std::vector<Values> inner;
        for (const Instruction* operand : in.operands) inner.push_back(values.at(operand));
        return run(*in.called[0], inner);
      }
    }
    std::vector<hlo::Shape> shapes;
    flatten(in.shape, shapes);
    for (hlo::Shape& shape : shapes) node.results.push_back({std::move(shape), program::kAllRows});
    node.operands = std::move(operands);
    if (in.opcode != Opcode::kCall) fill(in, node);
    const Value first = add(std::move(node));
    Values results;
    for (std::size_t i = 0; i < shapes.size(); ++i) results.push_back({first.node, static_cast<std::int32_t>(i)});
    return results;
  }

  Values element_of_tuple(const Instruction& in, const std::unordered_map<const Instruction*, Values>& values) {
    const Instruction& tuple = *in.operands[0];
    std::size_t begin = 0;
    std::vector<hlo::Shape> skipped;
    for (std::int64_t i = 0; i < in.tuple_index; ++i)
      flatten(tuple.shape.elements[static_cast<std::size_t>(i)], skipped);
    begin = skipped.size();
    std::vector<hlo::Shape> taken;
    flatten(in.shape, taken);
    const Values& flat = values.at(&tuple);
    const auto first = flat.begin() + static_cast<std::ptrdiff_t>(begin);
    return Values(first, first + static_cast<std::ptrdiff_t>(taken.size()));
  }

  bool recognised(const Instruction& call, const Values& operands, Node& node) {
    if (call.composite.name.empty() || call.shape.is_tuple || operands.size() != call.operands.size()) return false;
    std::vector<OperandSource> sources;
    for (const Value operand : operands) sources.push_back(source_of(operand));
    return recognise_composite(call, sources, node);
  }

  OperandSource source_of(Value value) const {
    const Node& node = graph_.node(value);
    if (!graph_.entry || node.opcode != Opcode::kParameter) return OperandSource::kComputed;
    switch (node.origin->role) {
      case hlo::ParameterRole::kInput:
        return OperandSource::kInput;
      case hlo::ParameterRole::kWeight:
        return OperandSource::kWeight;
      case hlo::ParameterRole::kState:
        return OperandSource::kState;
    }
    return OperandSource::kComputed;
  }

  void fill(const Instruction& in, Node& node) {
    if (const auto op = element_op(in)) {
      node.kind = NodeKind::kElementwise;
      node.params = elementwise(in, *op);
      return;
    }
    switch (in.opcode) {
      case Opcode::kReduce:
      case Opcode::kScatter:
      case Opcode::kAllReduce:
        if (const auto found = combiner(*in.called[0]); found && !(found->overwrite && in.opcode != Opcode::kScatter)) {
          node.combine = found->combine;
          node.overwrite = found->overwrite;
        } else {
          node.combine = program::Combine::kProgram;
          node.called.push_back(shared_callee(*in.called[0]));
        }
        break;
      case Opcode::kConstant:
        node.literal = in.literal;
        break;
      case Opcode::kSort:
        node.called.push_back(shared_callee(*in.called[0]));
        break;
      case Opcode::kWhile:
        node.called.push_back(shared_callee(*in.called[0]));
        node.called.push_back(shared_callee(*in.called[1]));
        break;
      default:
        break;
    }
    if (in.opcode == Opcode::kAllReduce) {
      node.kind = NodeKind::kAllReduce;
      program::AllReduceParams params;
      params.combine = node.combine;
      params.groups = in.replica_groups;
      node.params = params;
    }
  }

  // Scalars among the operands of select and clamp are read again and again.
  static program::ElementwiseParams elementwise(const Instruction& in, program::ElementOp op) {
    program::ElementwiseParams params;
    program::ElementInstruction instruction;
    instruction.op = op;
    instruction.from = in.operands.back()->shape.dtype;
    instruction.to = in.shape.dtype;
    for (std::size_t i = 0; i < in.operands.size(); ++i) {
      instruction.arguments[i] = static_cast<std::int16_t>(i);
      const bool scalar = in.operands[i]->shape.dims.empty() && !in.shape.dims.empty();
      params.accesses.push_back(scalar ? program::Access{1, 1} : program::Access{});
    }
    params.instructions.push_back(instruction);
    return params;
  }

  std::shared_ptr<Graph> shared_callee(const Computation& computation) {
    auto& slot = callees_[&computation];
    if (!slot) slot = callee(computation);
    return slot;
  }

  Unit& unit_;
  Graph graph_;
  std::size_t total_ = 0;
  int depth_ = 0;
  std::map<const Computation*, std::shared_ptr<Graph>> callees_;
};

}  // namespace

Graph import_module(Unit& unit) { return Importer(unit).entry(); }

}  // namespace ganglion::compiler
