#include "hlo/shape_inference.h"

#include <algorithm>

#include "hlo/infer.h"

namespace ganglion::hlo {
namespace {

constexpr std::int64_t kMaxElements = std::int64_t{1} << 40;
constexpr int kMaxRank = 16;
constexpr int kMaxTupleDepth = 4;
constexpr std::size_t kMaxText = 400;  // of a description in an error

std::string problem_at_depth(const Shape& shape, int depth) {
  if (shape.is_tuple) {
    if (depth >= kMaxTupleDepth) return fmt::format("tuples are nested more than {} deep", kMaxTupleDepth);
    if (!shape.dims.empty() || shape.bounded) return "a tuple has no dims of its own";
    for (const Shape& element : shape.elements) {
      std::string problem = problem_at_depth(element, depth + 1);
      if (!problem.empty()) return problem;
    }
    return {};
  }
  if (!shape.elements.empty()) return "an array has no tuple elements";
  if (static_cast<int>(shape.dtype) >= kDTypeCount) return "unknown element type";
  if (shape.dims.size() > kMaxRank) return fmt::format("rank {}; at most {}", shape.dims.size(), kMaxRank);
  if (shape.bounded && shape.dims.empty()) return "a scalar cannot have bounded rows";
  std::int64_t count = 1;  // of the sizes that are not 0, so that the order of the sizes does not matter
  for (const std::int64_t size : shape.dims) {
    if (size < 0) return fmt::format("{}: a size is negative", shape.text());
    if (size == 0) continue;
    if (count > kMaxElements / size) return fmt::format("{}: more than 2^40 elements", shape.text());
    count *= size;
  }
  return {};
}

}  // namespace

std::string shape_problem(const Shape& shape) { return problem_at_depth(shape, 0); }

std::string where(const Instruction& instruction) {
  std::string out = instruction.place.empty() ? "[hlo]" : instruction.place;
  if (!out.starts_with('[')) out = "[hlo] " + out;
  if (!instruction.name.empty()) out += (instruction.place.empty() ? " %" : ": %") + instruction.name;
  return out;
}

std::string describe(const Instruction& instruction) {
  std::string out(opcode_name(instruction.opcode));
  if (!instruction.composite.name.empty()) out = instruction.composite.name;
  for (std::size_t i = 0; i < instruction.operands.size(); ++i) {
    out += i == 0 ? " of " : i + 1 == instruction.operands.size() ? " and " : ", ";
    out += instruction.operands[i] == nullptr ? "nothing" : instruction.operands[i]->shape.text();
    if (out.size() > kMaxText) return out.substr(0, kMaxText) + "...";
  }
  return out;
}

namespace infer {

void want_operands(const Instruction& i, std::size_t count) {
  if (i.operands.size() != count) refuse(i, "it has {} operands, wants {}", i.operands.size(), count);
}

void want_at_least(const Instruction& i, std::size_t count) {
  if (i.operands.size() < count) refuse(i, "it has {} operands, wants at least {}", i.operands.size(), count);
}

const Shape& array_operand(const Instruction& i, std::size_t index) {
  const Shape& shape = i.operands[index]->shape;
  if (shape.is_tuple) refuse(i, "operand {} is a tuple, wants an array", index);
  return shape;
}

void want_dimension(const Instruction& i, const char* field, std::int64_t dimension, int rank) {
  if (dimension < 0 || dimension >= rank) refuse(i, "{} names dimension {} of rank {}", field, dimension, rank);
}

void want_distinct(const Instruction& i, const char* field, const Dims& dimensions, int rank) {
  std::uint32_t seen = 0;
  for (const std::int64_t dimension : dimensions) {
    want_dimension(i, field, dimension, rank);
    const std::uint32_t bit = std::uint32_t{1} << dimension;
    if ((seen & bit) != 0) refuse(i, "{} names dimension {} twice", field, dimension);
    seen |= bit;
  }
}

bool contains(const Dims& dims, std::int64_t value) noexcept {
  return std::find(dims.begin(), dims.end(), value) != dims.end();
}

void want_declared_array(const Instruction& i) {
  if (i.shape.is_tuple) refuse(i, "its shape is a tuple, wants an array");
  const std::string problem = shape_problem(i.shape);
  if (!problem.empty()) refuse(i, "{}", problem);
}

void want_called(const Instruction& i, std::size_t count) {
  if (i.called.size() != count) refuse(i, "it calls {} computations, wants {}", i.called.size(), count);
}

void want_signature(const Instruction& i, std::size_t index, const std::vector<Shape>& parameters,
                    const Shape& result) {
  const Computation& callee = *i.called[index];
  const std::vector<Instruction*> actual = callee.parameters();
  if (actual.size() != parameters.size()) {
    refuse(i, "computation {} has {} parameters, wants {}", callee.name, actual.size(), parameters.size());
  }
  for (std::size_t p = 0; p < actual.size(); ++p) {
    if (actual[p]->shape != parameters[p]) {
      refuse(i, "parameter {} of computation {} is {}, wants {}", p, callee.name, actual[p]->shape.text(),
             parameters[p].text());
    }
  }
  if (callee.root->shape != result) {
    refuse(i, "computation {} returns {}, wants {}", callee.name, callee.root->shape.text(), result.text());
  }
}

}  // namespace infer

Shape infer_shape(const Instruction& i) {
  for (const Instruction* operand : i.operands) GANGLION_CHECK(operand != nullptr);
  for (const Computation* callee : i.called) GANGLION_CHECK(callee != nullptr && callee->root != nullptr);
  if (is_elementwise_unary(i.opcode)) return infer::elementwise_unary(i);
  if (is_elementwise_binary(i.opcode)) return infer::elementwise_binary(i);
  switch (i.opcode) {
    case Opcode::kParameter:
      return infer::parameter(i);
    case Opcode::kConstant:
      return infer::constant(i);
    case Opcode::kIota:
      return infer::iota(i);
    case Opcode::kBroadcast:
      return infer::broadcast(i);
    case Opcode::kReshape:
      return infer::reshape(i);
    case Opcode::kTranspose:
      return infer::transpose(i);
    case Opcode::kConvert:
      return infer::convert(i);
    case Opcode::kBitcastConvert:
      return infer::bitcast_convert(i);
    case Opcode::kConcatenate:
      return infer::concatenate(i);
    case Opcode::kSlice:
      return infer::slice(i);
    case Opcode::kDynamicSlice:
      return infer::dynamic_slice(i);
    case Opcode::kDynamicUpdateSlice:
      return infer::dynamic_update_slice(i);
    case Opcode::kPad:
      return infer::pad(i);
    case Opcode::kReverse:
      return infer::reverse(i);
    case Opcode::kCompare:
      return infer::compare(i);
    case Opcode::kSelect:
      return infer::select(i);
    case Opcode::kClamp:
      return infer::clamp(i);
    case Opcode::kDot:
      return infer::dot(i);
    case Opcode::kReduce:
      return infer::reduce(i);
    case Opcode::kGather:
      return infer::gather(i);
    case Opcode::kScatter:
      return infer::scatter(i);
    case Opcode::kSort:
      return infer::sort(i);
    case Opcode::kCall:
      return infer::call(i);
    case Opcode::kWhile:
      return infer::while_loop(i);
    case Opcode::kTuple:
      return infer::tuple(i);
    case Opcode::kGetTupleElement:
      return infer::get_tuple_element(i);
    case Opcode::kCustomCall:
      return infer::custom_call(i);
    case Opcode::kAllReduce:
      return infer::all_reduce(i);
    case Opcode::kAllGather:
      return infer::all_gather(i);
    case Opcode::kReplicaId:
      return infer::replica_id(i);
    default:
      break;
  }
  fail(Code::kInternal, "{}: opcode {} has no shape inference", where(i), static_cast<int>(i.opcode));
}

}  // namespace ganglion::hlo
