// Writes a module: what PyHLO is to transformers-neuronx. Values know their shape; every function infers and checks the
// shape of its result at the call and throws Error{kInvalidArgument} with the model's line of thought:
//   [opt] layer 3: dot of f16[5,768] and f16[512,768]: contracted sizes 768 and 512 differ
// Elementwise functions want equal shapes and dtypes (scalars are broadcast on purpose with broadcast()); the operators
// + - * / are the functions add subtract multiply divide, and take a C++ float, too, meaning a broadcast constant.
//
//   Builder b("step");
//   Value x = b.input("x", Shape::array(DType::kF32, {2, 3}));
//   Value y = b.weight("w", Shape::array(DType::kF16, {4, 3}), {.sharded = false});
//   auto module = b.finish({dot(x, convert(y, DType::kF32), {{1}, {1}, {}, {}})});
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hlo/module.h"

namespace ganglion::hlo {

class Builder;

// A handle on an instruction; copyable, valid while its Builder (and then its module) lives.
class Value {
 public:
  Value() = default;
  Value(Builder* builder, Instruction* instruction) : builder_(builder), instruction_(instruction) {}
  const Shape& shape() const { return instruction_->shape; }
  const Dims& dims() const { return instruction_->shape.dims; }
  DType dtype() const { return instruction_->shape.dtype; }
  Instruction* instruction() const { return instruction_; }
  Builder* builder() const { return builder_; }
  explicit operator bool() const { return instruction_ != nullptr; }

 private:
  Builder* builder_ = nullptr;
  Instruction* instruction_ = nullptr;
};

struct WeightOptions {
  bool sharded = false;
};

class Builder {
 public:
  explicit Builder(std::string module_name);
  ~Builder();
  Builder(const Builder&) = delete;

  // Entry parameters, numbered in the order of the calls.
  Value input(const std::string& name, Shape shape);
  // As input(), with bounded rows: shape.bounded is set and the row count is the s32[] input `size`.
  Value bounded_input(const std::string& name, Shape shape, Value size);
  Value weight(const std::string& name, Shape shape, WeightOptions options);
  Value state(const std::string& name, Shape shape);  // per rank; alias() one output to it
  // A parameter of a computation under construction (see computation()).
  Value parameter(std::int64_t number, Shape shape);

  Value constant(Tensor tensor);
  Value scalar(DType dtype, double value);
  Value iota(Shape shape, std::int64_t dimension);
  Value replica_id();  // u32[]

  // Writes a computation of its own: the function gets the builder switched to it and its parameters, returns the root.
  Computation* computation(const std::string& name, const std::vector<Shape>& parameters,
                           const std::function<Value(const std::vector<Value>&)>& write);
  // The scalar computation (a, b) -> op(a, b) of a binary opcode; made once per module, opcode and dtype.
  Computation* binary_computation(Opcode opcode, DType dtype);

  // A call to a composite (see composite.h). The body is written by `write` with parameters of the operands' shapes;
  // equal composites (name, attributes, operand shapes) share one computation.
  Value composite(Composite composite, const std::vector<Value>& operands,
                  const std::function<Value(const std::vector<Value>&)>& write);

  // Text put in front of error messages and kept in Instruction::place, until the returned object dies; places nest.
  class Place {
   public:
    Place(Builder& builder, std::string text);
    ~Place();
    Place(const Place&) = delete;

   private:
    Builder& builder_;
  };
  [[nodiscard]] Place place(std::string text) { return Place(*this, std::move(text)); }

  // The module: root = tuple of outputs (always a tuple), alias pairs {output index, state value}. Verifies it. The
  // Builder is empty afterwards.
  struct AliasTo {
    std::int64_t output;
    Value state;
  };
  std::unique_ptr<Module> finish(const std::vector<Value>& outputs, const std::vector<AliasTo>& aliases = {});

  // Adds an instruction whose shape has been inferred; used by the functions below.
  Value add(std::unique_ptr<Instruction> instruction);
  std::string current_place() const;

 private:
  Value entry_parameter(const std::string& name, Shape shape, ParameterRole role, bool sharded);

  struct State;
  std::unique_ptr<State> state_;
};

// Elementwise; shapes equal.
Value unary(Opcode opcode, Value x);
Value binary(Opcode opcode, Value a, Value b);
Value compare(Value a, Value b, Comparison comparison);  // pred
Value select(Value condition, Value on_true, Value on_false);
Value clamp(Value low, Value x, Value high);  // low and high: the shape of x, or scalars
Value convert(Value x, DType dtype);
Value bitcast_convert(Value x, DType dtype);  // equal element sizes
inline Value negate(Value x) { return unary(Opcode::kNegate, x); }
inline Value exponential(Value x) { return unary(Opcode::kExponential, x); }
inline Value tanh(Value x) { return unary(Opcode::kTanh, x); }
inline Value erf(Value x) { return unary(Opcode::kErf, x); }
inline Value rsqrt(Value x) { return unary(Opcode::kRsqrt, x); }
inline Value maximum(Value a, Value b) { return binary(Opcode::kMaximum, a, b); }
inline Value minimum(Value a, Value b) { return binary(Opcode::kMinimum, a, b); }
Value operator+(Value a, Value b);
Value operator-(Value a, Value b);
Value operator*(Value a, Value b);
Value operator/(Value a, Value b);
Value operator+(Value a, double b);
Value operator-(Value a, double b);
Value operator*(Value a, double b);
Value operator/(Value a, double b);

// Shape.
Value broadcast(Value x, const Shape& to,
                Dims dimensions);  // operand dimension i becomes result dimension dimensions[i]
Value broadcast_like(Value x, Value like, Dims dimensions);
Value reshape(Value x, Dims dims);  // bounded rows stay bounded only if dims[0] is kept
Value transpose(Value x, Dims permutation);
Value concatenate(const std::vector<Value>& parts, std::int64_t dimension);
Value slice(Value x, Dims starts, Dims limits, Dims strides = {});
Value dynamic_slice(Value x, const std::vector<Value>& starts, Dims sizes);  // s32[] starts, clamped
Value dynamic_update_slice(Value x, Value update, const std::vector<Value>& starts);
Value pad(Value x, Value value, std::vector<PaddingDim> padding);
Value reverse(Value x, Dims dimensions);

// Contractions, reductions, indexing.
Value dot(Value a, Value b, DotDims dims,
          std::optional<DType> result = std::nullopt);  // result dtype: a's unless given
Value reduce(Value x, Value init, Dims dimensions, Computation* to_apply);
Value reduce(Value x, Opcode opcode,
             Dims dimensions);  // add, maximum, minimum, multiply, and, or with their neutral element
Value gather(Value x, Value indices, GatherDims dims);  // start indices are clamped
Value scatter(Value x, Value indices, Value updates, ScatterDims dims, Computation* to_apply);  // out of range: dropped
std::vector<Value> sort(const std::vector<Value>& operands, std::int64_t dimension, bool is_stable,
                        Computation* comparator);

// Control.
Value call(Computation* callee, const std::vector<Value>& operands);
Value while_loop(Value init, Computation* condition, Computation* body);
Value tuple(const std::vector<Value>& elements);
Value get_tuple_element(Value x, std::int64_t index);
Value custom_call(const std::string& target, const std::vector<Value>& operands, Shape shape);

// Ranks; groups empty: all ranks.
Value all_reduce(Value x, Computation* to_apply, std::vector<std::vector<std::int64_t>> groups = {});
Value all_gather(Value x, std::int64_t dimension, std::int64_t ranks,
                 std::vector<std::vector<std::int64_t>> groups = {});

}  // namespace ganglion::hlo
