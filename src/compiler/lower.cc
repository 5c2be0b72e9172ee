#include "compiler/lower.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "compiler/lowering.h"
#include "compiler/pipeline.h"

namespace ganglion::compiler {

using hlo::Opcode;
using program::kAllRows;
using program::Operand;
using program::Space;

namespace {

constexpr std::int32_t kForever = std::numeric_limits<std::int32_t>::max();

std::int64_t array_bytes(const hlo::Shape& shape) {
  return element_count(shape.dims) * static_cast<std::int64_t>(dtype_size(shape.dtype));
}

// The result has the operand's bytes in the operand's order.
bool is_alias(const Node& node) {
  return node.kind == NodeKind::kInstruction &&
         (node.opcode == Opcode::kReshape || node.opcode == Opcode::kBitcastConvert);
}

bool updates_operand(const Node& node) {
  return node.kind == NodeKind::kKvWrite ||
         (node.kind == NodeKind::kInstruction &&
          (node.opcode == Opcode::kScatter || node.opcode == Opcode::kDynamicUpdateSlice));
}

}  // namespace

Dims row_major_strides(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

Lowering::Lowering(const Graph& graph, const Unit& unit, const kernels::Table& table)
    : graph_(graph), unit_(unit), table_(table) {}

Lowered Lowering::run() {
  out_.program.name = graph_.name;
  out_.program.sizes = unit_.sizes;
  number_values();
  find_last_uses();
  add_ports();
  mark_state_updates();
  mark_direct_results();
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    if (!graph_.nodes[i].dead) lower_node(static_cast<std::int32_t>(i));
  }
  store_results();
  return std::move(out_);
}

void Lowering::number_values() {
  std::int32_t next = 0;
  for (const Node& node : graph_.nodes) {
    base_.push_back(next);
    next += static_cast<std::int32_t>(node.results.size());
  }
  root_.resize(static_cast<std::size_t>(next));
  place_.resize(root_.size());
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    for (std::size_t r = 0; r < node.results.size(); ++r) {
      const Value value{static_cast<std::int32_t>(i), static_cast<std::int32_t>(r)};
      root_[number(value)] = is_alias(node) && !node.dead ? root(node.operands[0]) : value;
    }
  }
}

void Lowering::find_last_uses() {
  last_use_.assign(root_.size(), -1);
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    if (node.dead || is_alias(node)) continue;
    for (const Value value : node.operands) last_use_[number(root(value))] = static_cast<std::int32_t>(i);
  }
  for (const Value value : graph_.outputs) last_use_[number(root(value))] = kForever;
}

void Lowering::add_ports() {
  program::Program& program = out_.program;
  state_of_output_.assign(graph_.outputs.size(), -1);
  std::unordered_map<std::int64_t, std::int32_t> state_index;
  for (std::size_t i = 0; i < graph_.parameters.size(); ++i) {
    const Value value = graph_.parameters[i];
    const Node& parameter = node(value);
    Place& place = place_[number(value)];
    const bool input = !graph_.entry || parameter.origin->role == hlo::ParameterRole::kInput;
    const auto parameter_number = static_cast<std::int64_t>(i);
    if (input) {
      place = {Space::kInput, static_cast<std::int32_t>(program.inputs.size()), 0};
      for (std::size_t s = 0; graph_.entry && s < unit_.size_parameters.size(); ++s) {
        if (unit_.size_parameters[s] == parameter_number) program.sizes[s].input = place.index;
      }
      program.inputs.push_back({parameter.shape().dtype, parameter.shape().dims, parameter.results[0].rows,
                                parameter.origin->name, parameter_number, true});
    } else if (parameter.origin->role == hlo::ParameterRole::kState) {
      place = {Space::kState, static_cast<std::int32_t>(program.states.size()), 0};
      state_index[parameter_number] = place.index;
      program.states.push_back({parameter_number, array_bytes(parameter.shape())});
    }
  }
  if (graph_.entry) {
    for (const hlo::Alias& alias : unit_.module->aliases) {
      const auto found = state_index.find(alias.parameter);
      if (found != state_index.end()) state_of_output_[static_cast<std::size_t>(alias.output)] = found->second;
    }
  }
  for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
    if (state_of_output_[i] >= 0) continue;
    const NodeResult& from = graph_.result(graph_.outputs[i]);
    program.results.push_back({from.shape.dtype, from.shape.dims, from.shape.bounded ? from.rows : kAllRows,
                               fmt::format("result {}", i), static_cast<std::int64_t>(i),
                               graph_.node(graph_.outputs[i]).replicated});
  }
}

// From an output back to the state it replaces: every update on the way may happen in the state's own memory when
// nobody reads the older value later.
void Lowering::mark_state_updates() {
  updates_state_.assign(graph_.nodes.size(), false);
  for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
    if (state_of_output_[i] < 0) continue;
    std::vector<std::int32_t> chain;
    Value value = root(graph_.outputs[i]);
    while (updates_operand(node(value))) {
      const Value before = root(node(value).operands[0]);
      if (last_use_[number(before)] != value.node) break;
      chain.push_back(value.node);
      value = before;
    }
    const Place& place = place_[number(value)];
    if (place.space != Space::kState || place.index != state_of_output_[i]) continue;
    for (const std::int32_t index : chain) updates_state_[static_cast<std::size_t>(index)] = true;
  }
}

// Which values can be computed where the caller wants them.
void Lowering::mark_direct_results() {
  direct_result_.assign(root_.size(), -1);
  std::int32_t index = 0;
  for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
    if (state_of_output_[i] >= 0) continue;
    const Value value = root(graph_.outputs[i]);
    const Node& from = node(value);
    const bool computed =
        from.kind != NodeKind::kInstruction || (from.opcode != Opcode::kParameter && from.opcode != Opcode::kConstant);
    const NodeResult& array = graph_.result(value);
    const bool fits = !array.shape.bounded || array.rows != kAllRows;
    std::int32_t& direct = direct_result_[number(value)];
    if (computed && fits && direct < 0 && !updates_state_[static_cast<std::size_t>(value.node)] &&
        (from.replicated || !graph_.entry)) {
      direct = index;
    }
    ++index;
  }
}

Operand Lowering::describe(Value value, const Place& place) const {
  const NodeResult& from = graph_.result(value);
  Operand operand;
  operand.space = place.space;
  operand.index = place.index;
  operand.offset = place.offset;
  operand.dtype = from.shape.dtype;
  operand.rows = from.shape.bounded ? from.rows : kAllRows;
  operand.bytes = array_bytes(from.shape);
  operand.dims = from.shape.dims;
  return operand;
}

Operand Lowering::weight_operand(Value parameter, const program::WeightForm& form) {
  const std::int64_t parameter_number = node(parameter).origin->parameter_number;
  const int kind = form.packed ? (form.transposed ? 2 : 1) : 0;
  const auto [found, fresh] =
      weight_index_.try_emplace({parameter_number, kind}, static_cast<std::int32_t>(out_.program.weights.size()));
  if (fresh) {
    program::WeightForm stored = form;
    stored.parameter = parameter_number;
    stored.sharded = node(parameter).origin->sharded && unit_.ranks > 1;
    out_.program.weights.push_back(stored);
  }
  Operand operand = describe(parameter, {Space::kWeight, found->second, 0});
  operand.bytes = form.bytes;
  return operand;
}

Operand Lowering::operand(Value value) {
  const Value from = root(value);
  const Node& source = node(from);
  Place& place = place_[number(from)];
  if (source.kind == NodeKind::kInstruction && source.opcode == Opcode::kParameter && place.index < 0) {
    program::WeightForm plain;
    plain.bytes = array_bytes(source.shape());
    Operand weight = weight_operand(from, plain);
    return describe(value, {Space::kWeight, weight.index, 0});
  }
  if (source.kind == NodeKind::kInstruction && source.opcode == Opcode::kConstant && place.index < 0) {
    const Tensor& literal = *source.literal;
    const auto [found, fresh] = constant_offset_.try_emplace(&literal, 0);
    if (fresh) {
      std::vector<std::byte>& constants = out_.program.constants;
      constants.resize((constants.size() + 63) / 64 * 64);
      found->second = static_cast<std::int64_t>(constants.size());
      constants.insert(constants.end(), literal.data(), literal.data() + literal.bytes());
    }
    place = {Space::kConstant, 0, found->second};
  }
  GANGLION_CHECK(place.index >= 0);
  return describe(value, place);
}

Operand Lowering::result(std::int32_t index, std::int32_t which) {
  const Value value{index, which};
  Place& place = place_[number(value)];
  if (const std::int32_t direct = direct_result_[number(value)]; direct >= 0) {
    place = {Space::kResult, direct, 0};
    return describe(value, place);
  }
  const bool shared = node(value).replicated;
  place = {shared ? Space::kShared : Space::kArena, static_cast<std::int32_t>(out_.buffers.size()), 0};
  out_.buffers.push_back({shared, array_bytes(graph_.shape(value))});
  return describe(value, place);
}

Operand Lowering::result_over(std::int32_t index, const std::vector<Value>& reusable) {
  const Value value{index, 0};
  if (direct_result_[number(value)] >= 0) return result(index);
  const Space wanted = node(value).replicated ? Space::kShared : Space::kArena;
  for (const Value candidate : reusable) {
    const Value from = root(candidate);
    const Place& place = place_[number(from)];
    if (place.space != wanted || place.index < 0 || last_use_[number(from)] != index) continue;
    if (array_bytes(graph_.shape(from)) != array_bytes(graph_.shape(value))) continue;
    if (dtype_size(graph_.shape(candidate).dtype) != dtype_size(graph_.shape(value).dtype)) continue;
    place_[number(value)] = place;
    return describe(value, place);
  }
  return result(index);
}

Operand Lowering::result_updating(std::int32_t index) {
  const Value value{index, 0};
  const Value before = node(value).operands[0];
  if (updates_state_[static_cast<std::size_t>(index)]) {
    place_[number(value)] = place_[number(root(before))];
    return describe(value, place_[number(value)]);
  }
  // The other operands are read while the result is written: none of them may be the memory that is updated.
  bool alone = true;
  for (std::size_t i = 1; i < node(value).operands.size(); ++i) {
    alone = alone && root(node(value).operands[i]) != root(before);
  }
  const Operand from = operand(before);
  Operand to = alone ? result_over(index, {before}) : result(index);
  if (to.space != from.space || to.index != from.index) copy(node(value), from, to);
  return to;
}

Operand Lowering::temporary(const Node& owner, std::int64_t bytes) {
  Operand operand;
  operand.space = owner.replicated ? Space::kShared : Space::kArena;
  operand.dtype = DType::kU8;
  operand.index = static_cast<std::int32_t>(out_.buffers.size());
  operand.bytes = bytes;
  operand.dims = {bytes};
  out_.buffers.push_back({owner.replicated, bytes});
  return operand;
}

program::Step& Lowering::emit(const Node& owner, program::Params params, std::vector<Operand> operands,
                              std::vector<Operand> results) {
  program::Step step;
  step.params = std::move(params);
  step.operands = std::move(operands);
  step.results = std::move(results);
  step.per_rank = !owner.replicated;
  if (owner.origin != nullptr) {
    step.name = owner.origin->name;
    step.place = owner.origin->place;
  }
  out_.program.steps.push_back(std::move(step));
  return out_.program.steps.back();
}

void Lowering::copy(const Node& owner, const Operand& from, const Operand& to) {
  program::MoveParams move;
  move.dims = from.dims;
  move.source_strides = move.target_strides = row_major_strides(from.dims);
  move.rows = from.rows;
  emit(owner, move, {from}, {to});
}

void Lowering::need_scratch(std::int64_t bytes) {
  out_.program.scratch_bytes = std::max(out_.program.scratch_bytes, (bytes + 63) / 64 * 64);
}

std::shared_ptr<const program::Program> Lowering::callee(const std::shared_ptr<Graph>& graph) {
  auto& program = callees_[graph.get()];
  if (!program) program = finish_callee(*graph, unit_, table_);
  return program;
}

// Results that are not where they belong yet. A state whose new value lies in another state's memory goes through a
// temporary, all of them before any state is overwritten.
void Lowering::store_results() {
  std::int32_t index = 0;
  std::vector<std::pair<Operand, Operand>> stores;
  std::vector<const Node*> owners;
  for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
    const Value value = graph_.outputs[i];
    Operand from = operand(value);
    if (const std::int32_t state = state_of_output_[i]; state >= 0) {
      if (from.space == Space::kState && from.index == state) continue;
      Node owner = node(value);
      owner.replicated = unit_.ranks == 1;
      if (from.space == Space::kState) {
        Operand through = temporary(owner, from.bytes);
        through.dtype = from.dtype;
        through.dims = from.dims;
        copy(owner, from, through);
        from = through;
      }
      stores.emplace_back(from, describe(value, {Space::kState, state, 0}));
      owners.push_back(&node(value));
      continue;
    }
    const Place& place = place_[number(root(value))];
    if (place.space != Space::kResult || place.index != index) {
      copy(node(value), from, describe(value, {Space::kResult, index, 0}));
    }
    ++index;
  }
  for (std::size_t i = 0; i < stores.size(); ++i) {
    Node owner = *owners[i];
    owner.replicated = unit_.ranks == 1;
    copy(owner, stores[i].first, stores[i].second);
  }
}

void Lowering::lower_node(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  switch (source.kind) {
    case NodeKind::kInstruction:
      return lower_instruction(index);
    case NodeKind::kElementwise:
      return lower_elementwise(index);
    case NodeKind::kMatmul:
      return lower_matmul(index);
    case NodeKind::kLayerNorm:
    case NodeKind::kRmsNorm:
    case NodeKind::kRotary:
      return lower_rowwise(index);
    case NodeKind::kEmbedding:
      return lower_embedding(index);
    case NodeKind::kKvWrite:
      return lower_kv_write(index);
    case NodeKind::kAttention:
      return lower_attention(index);
    case NodeKind::kAllReduce:
      return lower_all_reduce(index);
  }
}

void Lowering::lower_instruction(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  switch (source.opcode) {
    case Opcode::kParameter:
    case Opcode::kConstant:
    case Opcode::kReshape:
    case Opcode::kBitcastConvert:
      return;
    case Opcode::kIota:
      emit(source, program::IotaParams{source.origin->dimensions[0]}, {}, {result(index)});
      return;
    case Opcode::kReplicaId:
      emit(source, program::ReplicaIdParams{}, {}, {result(index)});
      return;
    case Opcode::kBroadcast:
      return lower_broadcast(index);
    case Opcode::kTranspose:
      return lower_transpose(index);
    case Opcode::kSlice:
      return lower_slice(index);
    case Opcode::kReverse:
      return lower_reverse(index);
    case Opcode::kConcatenate:
      return lower_concatenate(index);
    case Opcode::kPad:
      return lower_pad(index);
    case Opcode::kDynamicSlice:
      return lower_dynamic_slice(index);
    case Opcode::kDynamicUpdateSlice:
      return lower_dynamic_update_slice(index);
    case Opcode::kDot:
      return lower_dot(index);
    case Opcode::kReduce:
      return lower_reduce(index);
    case Opcode::kGather:
      return lower_gather(index);
    case Opcode::kScatter:
      return lower_scatter(index);
    case Opcode::kSort:
      return lower_sort(index);
    case Opcode::kWhile:
      return lower_while(index);
    case Opcode::kAllGather:
      return lower_all_gather(index);
    default:
      break;
  }
  fail(Code::kUnsupported, "{} {}: {} has no CPU step", source.origin->place, source.origin->name,
       hlo::opcode_name(source.opcode));
}

Lowered lower(const Graph& graph, const Unit& unit, const kernels::Table& table) {
  return Lowering(graph, unit, table).run();
}

}  // namespace ganglion::compiler
