// The functions of builder.h that add one instruction.
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "hlo/builder.h"

namespace ganglion::hlo {
namespace {

std::unique_ptr<Instruction> make(Opcode opcode, const std::vector<Value>& operands) {
  auto instruction = std::make_unique<Instruction>();
  instruction->opcode = opcode;
  for (const Value& operand : operands) {
    GANGLION_CHECK(operand.instruction() != nullptr);
    instruction->operands.push_back(operand.instruction());
  }
  return instruction;
}

Value add(const std::vector<Value>& operands, std::unique_ptr<Instruction> instruction) {
  return operands.front().builder()->add(std::move(instruction));
}

Value add(Value operand, std::unique_ptr<Instruction> instruction) {
  return operand.builder()->add(std::move(instruction));
}

Value splat_like(Value x, double value) { return broadcast_like(x.builder()->scalar(x.dtype(), value), x, {}); }

template <typename T>
Tensor scalar_of(DType dtype, T value) {
  return Tensor::from<T>(dtype, {}, std::span<const T>(&value, 1));
}

// The lowest (or highest) value of a type.
Tensor extreme(DType dtype, bool lowest) {
  switch (dtype) {
    case DType::kPred:
      return scalar_of<std::uint8_t>(dtype, lowest ? 0 : 1);
    case DType::kU8:
      return scalar_of<std::uint8_t>(dtype, lowest ? 0 : 0xff);
    case DType::kU32:
      return scalar_of<std::uint32_t>(dtype, lowest ? 0 : ~0u);
    case DType::kS4:
      return scalar_of<std::int8_t>(dtype, lowest ? -8 : 7);
    case DType::kS8:
      return scalar_of<std::int8_t>(dtype, lowest ? -128 : 127);
    case DType::kS32: {
      using L = std::numeric_limits<std::int32_t>;
      return scalar_of<std::int32_t>(dtype, lowest ? L::min() : L::max());
    }
    case DType::kS64: {
      using L = std::numeric_limits<std::int64_t>;
      return scalar_of<std::int64_t>(dtype, lowest ? L::min() : L::max());
    }
    default:
      break;
  }
  Tensor out(dtype, {});
  const double infinity = std::numeric_limits<double>::infinity();
  set_element_from_double(out.mutable_view(), 0, lowest ? -infinity : infinity);
  return out;
}

// x op neutral == x.
Tensor neutral(Opcode opcode, DType dtype) {
  Tensor out(dtype, {});
  switch (opcode) {
    case Opcode::kAdd:
    case Opcode::kOr:
      return out;
    case Opcode::kMultiply:
      set_element_from_double(out.mutable_view(), 0, 1);
      return out;
    case Opcode::kMaximum:
      return extreme(dtype, true);
    case Opcode::kMinimum:
      return extreme(dtype, false);
    case Opcode::kAnd:
      for (std::byte& byte : std::span(out.data(), out.bytes()))
        byte = dtype == DType::kPred ? std::byte{1} : std::byte{0xff};
      return out;
    default:
      break;
  }
  fail(Code::kInvalidArgument, "[builder] reduce by {}: no neutral element is known; give one", opcode_name(opcode));
}

}  // namespace

Value unary(Opcode opcode, Value x) { return add(x, make(opcode, {x})); }
Value binary(Opcode opcode, Value a, Value b) { return add(a, make(opcode, {a, b})); }

Value compare(Value a, Value b, Comparison comparison) {
  auto instruction = make(Opcode::kCompare, {a, b});
  instruction->comparison = comparison;
  return add(a, std::move(instruction));
}

Value select(Value condition, Value on_true, Value on_false) {
  return add(condition, make(Opcode::kSelect, {condition, on_true, on_false}));
}

Value clamp(Value low, Value x, Value high) { return add(x, make(Opcode::kClamp, {low, x, high})); }

Value convert(Value x, DType dtype) {
  if (x.dtype() == dtype) return x;
  auto instruction = make(Opcode::kConvert, {x});
  instruction->shape.dtype = dtype;
  return add(x, std::move(instruction));
}

Value bitcast_convert(Value x, DType dtype) {
  auto instruction = make(Opcode::kBitcastConvert, {x});
  instruction->shape.dtype = dtype;
  return add(x, std::move(instruction));
}

Value operator+(Value a, Value b) { return binary(Opcode::kAdd, a, b); }
Value operator-(Value a, Value b) { return binary(Opcode::kSubtract, a, b); }
Value operator*(Value a, Value b) { return binary(Opcode::kMultiply, a, b); }
Value operator/(Value a, Value b) { return binary(Opcode::kDivide, a, b); }
Value operator+(Value a, double b) { return a + splat_like(a, b); }
Value operator-(Value a, double b) { return a - splat_like(a, b); }
Value operator*(Value a, double b) { return a * splat_like(a, b); }
Value operator/(Value a, double b) { return a / splat_like(a, b); }

Value broadcast(Value x, const Shape& to, Dims dimensions) {
  auto instruction = make(Opcode::kBroadcast, {x});
  instruction->shape = to;
  instruction->shape.dtype = x.dtype();
  instruction->dimensions = std::move(dimensions);
  return add(x, std::move(instruction));
}

Value broadcast_like(Value x, Value like, Dims dimensions) { return broadcast(x, like.shape(), std::move(dimensions)); }

Value reshape(Value x, Dims dims) {
  auto instruction = make(Opcode::kReshape, {x});
  const bool keeps_rows = x.shape().bounded && !dims.empty() && dims[0] == x.dims()[0];
  instruction->shape = Shape::array(x.dtype(), std::move(dims), keeps_rows);
  return add(x, std::move(instruction));
}

Value transpose(Value x, Dims permutation) {
  auto instruction = make(Opcode::kTranspose, {x});
  instruction->dimensions = std::move(permutation);
  return add(x, std::move(instruction));
}

Value concatenate(const std::vector<Value>& parts, std::int64_t dimension) {
  auto instruction = make(Opcode::kConcatenate, parts);
  instruction->dimensions = {dimension};
  return add(parts, std::move(instruction));
}

Value slice(Value x, Dims starts, Dims limits, Dims strides) {
  auto instruction = make(Opcode::kSlice, {x});
  if (strides.empty()) strides.assign(starts.size(), 1);
  instruction->starts = std::move(starts);
  instruction->limits = std::move(limits);
  instruction->strides = std::move(strides);
  return add(x, std::move(instruction));
}

Value dynamic_slice(Value x, const std::vector<Value>& starts, Dims sizes) {
  std::vector<Value> operands = {x};
  operands.insert(operands.end(), starts.begin(), starts.end());
  auto instruction = make(Opcode::kDynamicSlice, operands);
  instruction->slice_sizes = std::move(sizes);
  return add(x, std::move(instruction));
}

Value dynamic_update_slice(Value x, Value update, const std::vector<Value>& starts) {
  std::vector<Value> operands = {x, update};
  operands.insert(operands.end(), starts.begin(), starts.end());
  return add(x, make(Opcode::kDynamicUpdateSlice, operands));
}

Value pad(Value x, Value value, std::vector<PaddingDim> padding) {
  auto instruction = make(Opcode::kPad, {x, value});
  instruction->padding = std::move(padding);
  return add(x, std::move(instruction));
}

Value reverse(Value x, Dims dimensions) {
  auto instruction = make(Opcode::kReverse, {x});
  instruction->dimensions = std::move(dimensions);
  return add(x, std::move(instruction));
}

Value dot(Value a, Value b, DotDims dims, std::optional<DType> result) {
  auto instruction = make(Opcode::kDot, {a, b});
  instruction->dot = std::move(dims);
  instruction->shape.dtype = result.value_or(a.dtype());
  return add(a, std::move(instruction));
}

Value reduce(Value x, Value init, Dims dimensions, Computation* to_apply) {
  auto instruction = make(Opcode::kReduce, {x, init});
  instruction->dimensions = std::move(dimensions);
  instruction->called = {to_apply};
  return add(x, std::move(instruction));
}

Value reduce(Value x, Opcode opcode, Dims dimensions) {
  Builder& builder = *x.builder();
  return reduce(x, builder.constant(neutral(opcode, x.dtype())), std::move(dimensions),
                builder.binary_computation(opcode, x.dtype()));
}

Value gather(Value x, Value indices, GatherDims dims) {
  auto instruction = make(Opcode::kGather, {x, indices});
  instruction->gather = std::move(dims);
  return add(x, std::move(instruction));
}

Value scatter(Value x, Value indices, Value updates, ScatterDims dims, Computation* to_apply) {
  auto instruction = make(Opcode::kScatter, {x, indices, updates});
  instruction->scatter = std::move(dims);
  instruction->called = {to_apply};
  return add(x, std::move(instruction));
}

std::vector<Value> sort(const std::vector<Value>& operands, std::int64_t dimension, bool is_stable,
                        Computation* comparator) {
  auto instruction = make(Opcode::kSort, operands);
  instruction->dimensions = {dimension};
  instruction->is_stable = is_stable;
  instruction->called = {comparator};
  const Value sorted = add(operands, std::move(instruction));
  if (!sorted.shape().is_tuple) return {sorted};
  std::vector<Value> out;
  for (std::size_t i = 0; i < operands.size(); ++i)
    out.push_back(get_tuple_element(sorted, static_cast<std::int64_t>(i)));
  return out;
}

Value call(Computation* callee, const std::vector<Value>& operands) {
  auto instruction = make(Opcode::kCall, operands);
  instruction->called = {callee};
  return add(operands, std::move(instruction));
}

Value while_loop(Value init, Computation* condition, Computation* body) {
  auto instruction = make(Opcode::kWhile, {init});
  instruction->called = {condition, body};
  return add(init, std::move(instruction));
}

Value tuple(const std::vector<Value>& elements) { return add(elements, make(Opcode::kTuple, elements)); }

Value get_tuple_element(Value x, std::int64_t index) {
  auto instruction = make(Opcode::kGetTupleElement, {x});
  instruction->tuple_index = index;
  return add(x, std::move(instruction));
}

Value custom_call(const std::string& target, const std::vector<Value>& operands, Shape shape) {
  auto instruction = make(Opcode::kCustomCall, operands);
  instruction->custom_call_target = target;
  instruction->shape = std::move(shape);
  return add(operands, std::move(instruction));
}

Value all_reduce(Value x, Computation* to_apply, std::vector<std::vector<std::int64_t>> groups) {
  auto instruction = make(Opcode::kAllReduce, {x});
  instruction->called = {to_apply};
  instruction->replica_groups = std::move(groups);
  return add(x, std::move(instruction));
}

Value all_gather(Value x, std::int64_t dimension, std::int64_t ranks, std::vector<std::vector<std::int64_t>> groups) {
  auto instruction = make(Opcode::kAllGather, {x});
  instruction->shape = x.shape();
  if (dimension >= 0 && dimension < x.shape().rank())
    instruction->shape.dims[static_cast<std::size_t>(dimension)] *= ranks;
  instruction->dimensions = {dimension};
  instruction->replica_groups = std::move(groups);
  return add(x, std::move(instruction));
}

}  // namespace ganglion::hlo
