#include "hlo/verifier.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "hlo/rows.h"
#include "hlo/shape_inference.h"

namespace ganglion::hlo {
namespace {

constexpr int kMaxCallDepth = 64;

using Names = std::unordered_set<std::string_view>;

bool calls_computations(Opcode opcode) {
  return opcode == Opcode::kCall || opcode == Opcode::kWhile || opcode == Opcode::kReduce ||
         opcode == Opcode::kScatter || opcode == Opcode::kSort || opcode == Opcode::kAllReduce;
}

// What no shape depends on.
void verify_marks(const Instruction& i, bool in_entry) {
  if (static_cast<int>(i.opcode) >= kOpcodeCount)
    fail(Code::kInvalidArgument, "{}: unknown opcode {}", where(i), static_cast<int>(i.opcode));
  if (!calls_computations(i.opcode) && !i.called.empty())
    fail(Code::kInvalidArgument, "{}: {} calls no computation", where(i), opcode_name(i.opcode));
  if (i.opcode != Opcode::kCall && !i.composite.name.empty())
    fail(Code::kInvalidArgument, "{}: only a call can be the composite {}", where(i), i.composite.name);
  if (i.role == ParameterRole::kInput && !i.sharded) return;
  if (i.role > ParameterRole::kState) fail(Code::kInvalidArgument, "{}: unknown role", where(i));
  if (i.opcode != Opcode::kParameter || !in_entry)
    fail(Code::kInvalidArgument, "{}: only parameters of the entry can be weights or state", where(i));
  if (i.role == ParameterRole::kInput) fail(Code::kInvalidArgument, "{}: an input cannot be sharded", where(i));
}

void verify_shape(const Instruction& i) {
  const std::string problem = shape_problem(i.shape);
  if (!problem.empty()) fail(Code::kInvalidArgument, "{}: {}", where(i), problem);
  // A tuple is compared in place: to build it anew from operands that are large tuples could take memory that the
  // module's own shapes do not.
  if (i.opcode == Opcode::kTuple) {
    bool equal = i.shape.is_tuple && i.shape.elements.size() == i.operands.size();
    for (std::size_t k = 0; equal && k < i.operands.size(); ++k) equal = i.shape.elements[k] == i.operands[k]->shape;
    if (!equal) fail(Code::kInvalidArgument, "{}: its shape is not the tuple of its operands", where(i));
    return;
  }
  const Shape inferred = infer_shape(i);
  if (inferred != i.shape) {
    fail(Code::kInvalidArgument, "{}: {} gives {}, but its shape says {}", where(i), describe(i), inferred.text(),
         i.shape.text());
  }
}

void want_dense_parameters(const Computation& computation) {
  const auto parameters = computation.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i]->parameter_number != static_cast<std::int64_t>(i)) {
      fail(Code::kInvalidArgument, "{}: computation {} numbers its parameters with a gap or twice: wanted {}, seen {}",
           where(*parameters[i]), computation.name, i, parameters[i]->parameter_number);
    }
  }
}

// Instructions of one computation. `depth` has the call depth of every computation before it.
void verify_computation(const Computation& computation, bool is_entry,
                        const std::unordered_map<const Computation*, int>& depth, Names& names) {
  std::unordered_set<const Instruction*> before;
  for (const auto& instruction : computation.instructions) {
    if (instruction == nullptr)
      fail(Code::kInvalidArgument, "[hlo] computation {} holds an empty instruction", computation.name);
    const Instruction& i = *instruction;
    if (i.name.empty())
      fail(Code::kInvalidArgument, "[hlo] computation {}: a {} has no name", computation.name, opcode_name(i.opcode));
    if (!names.insert(i.name).second) fail(Code::kInvalidArgument, "{}: the name {} is used twice", where(i), i.name);
    verify_marks(i, is_entry);
    for (const Instruction* operand : i.operands) {
      if (operand == nullptr || !before.contains(operand)) {
        fail(Code::kInvalidArgument, "{}: {} uses a value that does not stand before it in computation {}", where(i),
             opcode_name(i.opcode), computation.name);
      }
    }
    for (const Computation* callee : i.called) {
      if (callee == nullptr || !depth.contains(callee)) {
        fail(Code::kInvalidArgument, "{}: {} calls a computation that does not stand before {} in the module", where(i),
             opcode_name(i.opcode), computation.name);
      }
    }
    verify_shape(i);
    before.insert(&i);
  }
  if (computation.root == nullptr || !before.contains(computation.root)) {
    fail(Code::kInvalidArgument, "[hlo] computation {}: its root is not one of its instructions", computation.name);
  }
  want_dense_parameters(computation);
}

int call_depth(const Computation& computation, const std::unordered_map<const Computation*, int>& depth) {
  int deepest = 0;
  for (const auto& instruction : computation.instructions) {
    for (const Computation* callee : instruction->called) deepest = std::max(deepest, depth.at(callee) + 1);
  }
  return deepest;
}

void verify_aliases(const Module& module) {
  const auto results = module.result_shapes();
  const auto parameters = module.entry->parameters();
  std::unordered_set<std::int64_t> outputs, inputs;
  for (const Alias& alias : module.aliases) {
    if (alias.output < 0 || alias.output >= static_cast<std::int64_t>(results.size())) {
      fail(Code::kInvalidArgument, "[hlo] alias of result {}: the module has {} results", alias.output, results.size());
    }
    if (alias.parameter < 0 || alias.parameter >= static_cast<std::int64_t>(parameters.size())) {
      fail(Code::kInvalidArgument, "[hlo] alias to parameter {}: the entry has {} parameters", alias.parameter,
           parameters.size());
    }
    if (!outputs.insert(alias.output).second || !inputs.insert(alias.parameter).second) {
      fail(Code::kInvalidArgument, "[hlo] alias of result {} to parameter {}: one of them is aliased twice",
           alias.output, alias.parameter);
    }
    const Shape& result = results[static_cast<std::size_t>(alias.output)];
    const Instruction& parameter = *parameters[static_cast<std::size_t>(alias.parameter)];
    if (parameter.role == ParameterRole::kWeight)
      fail(Code::kInvalidArgument, "{}: a weight cannot be written, result {} is its alias", where(parameter),
           alias.output);
    if (result.is_tuple || result != parameter.shape) {
      fail(Code::kInvalidArgument, "{}: result {} of {} cannot be written in place of {}", where(parameter),
           alias.output, result.text(), parameter.shape.text());
    }
  }
}

void verify_rows(const Module& module) {
  const auto parameters = module.entry->parameters();
  std::unordered_set<std::int64_t> bound;
  std::unordered_map<std::int64_t, std::int64_t> capacities;  // by size parameter
  for (const RowBinding& binding : module.row_bindings) {
    const auto count = static_cast<std::int64_t>(parameters.size());
    if (binding.parameter < 0 || binding.parameter >= count || binding.size < 0 || binding.size >= count) {
      fail(Code::kInvalidArgument, "[hlo] row binding of parameter {} to {}: the entry has {} parameters",
           binding.parameter, binding.size, count);
    }
    const Instruction& parameter = *parameters[static_cast<std::size_t>(binding.parameter)];
    const Instruction& size = *parameters[static_cast<std::size_t>(binding.size)];
    if (!parameter.shape.bounded)
      fail(Code::kInvalidArgument, "{}: {} has no bounded rows to bind", where(parameter), parameter.shape.text());
    if (size.shape != Shape::array(DType::kS32, {}) || size.role != ParameterRole::kInput) {
      fail(Code::kInvalidArgument, "{}: a row count is an s32[] input, this is {}", where(size), size.shape.text());
    }
    if (!bound.insert(binding.parameter).second)
      fail(Code::kInvalidArgument, "{}: its rows are bound twice", where(parameter));
    const std::int64_t capacity = capacities.emplace(binding.size, parameter.shape.dims[0]).first->second;
    if (capacity != parameter.shape.dims[0]) {
      fail(Code::kInvalidArgument, "{}: at most {} rows, but others counted by parameter {} have at most {}",
           where(parameter), parameter.shape.dims[0], binding.size, capacity);
    }
  }
  for (const Instruction* parameter : parameters) {
    if (parameter->shape.bounded && !bound.contains(parameter->parameter_number)) {
      fail(Code::kInvalidArgument, "{}: {} has bounded rows, but no input says how many there are", where(*parameter),
           parameter->shape.text());
    }
    if (parameter->shape.bounded && parameter->role != ParameterRole::kInput) {
      fail(Code::kInvalidArgument, "{}: only inputs may have bounded rows", where(*parameter));
    }
  }
  row_sizes(module);
}

}  // namespace

void verify(const Module& module) {
  if (module.entry == nullptr || module.computations.empty() || module.computations.back().get() != module.entry) {
    fail(Code::kInvalidArgument, "[hlo] module {}: the entry must be its last computation", module.name);
  }
  std::unordered_map<const Computation*, int> depth;
  Names computation_names, names;
  for (const auto& computation : module.computations) {
    if (computation == nullptr) fail(Code::kInvalidArgument, "[hlo] module {} holds an empty computation", module.name);
    if (computation->name.empty())
      fail(Code::kInvalidArgument, "[hlo] module {}: a computation has no name", module.name);
    if (!computation_names.insert(computation->name).second) {
      fail(Code::kInvalidArgument, "[hlo] module {}: two computations are called {}", module.name, computation->name);
    }
    verify_computation(*computation, computation.get() == module.entry, depth, names);
    const int levels = call_depth(*computation, depth);
    if (levels > kMaxCallDepth)
      fail(Code::kInvalidArgument, "[hlo] computation {}: calls are nested {} deep; at most {}", computation->name,
           levels, kMaxCallDepth);
    depth.emplace(computation.get(), levels);
  }
  verify_aliases(module);
  verify_rows(module);
}

}  // namespace ganglion::hlo
