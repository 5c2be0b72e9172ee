// The graph: a module holds computations, a computation holds instructions in an order in which operands come first.
// Plain data with owning pointers; nothing here checks: the Builder does while writing, the verifier for any module.
//
// A *composite* is a call whose attributes name it: a fused operation (layer norm, attention over a paged cache) whose
// called computation spells it out in plain HLO. A backend that knows the name uses its kernel, any other runs the
// body. The names, operands and attributes are in composite.h.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hlo/opcode.h"
#include "hlo/shape.h"
#include "tensor/tensor.h"

namespace ganglion::hlo {

class Computation;

enum class Comparison : std::uint8_t { kEq, kNe, kGe, kGt, kLe, kLt };

struct DotDims {
  Dims lhs_contracting, rhs_contracting, lhs_batch, rhs_batch;
};
struct GatherDims {
  Dims offset_dims, collapsed_slice_dims, start_index_map;
  std::int64_t index_vector_dim = 0;
  Dims slice_sizes;
};
struct ScatterDims {
  Dims update_window_dims, inserted_window_dims, scatter_dims_to_operand_dims;
  std::int64_t index_vector_dim = 0;
  bool unique_indices = false;
};
struct PaddingDim {
  std::int64_t low = 0, high = 0, interior = 0;
};

// What makes a call a composite. Attribute values are text: numbers as fmt prints them ("1e-05"), flags "true"/"false".
struct Composite {
  std::string name;  // "ganglion.layer_norm"; empty: an ordinary call
  int version = 1;
  std::map<std::string, std::string> attributes;
};

// What a parameter of the entry computation is for. Inputs come with every run; weights are loaded once and may be
// packed; state (KV caches) lives in the executable, is zero at first and is updated through an alias.
enum class ParameterRole : std::uint8_t { kInput, kWeight, kState };

// One node. Only the fields that the opcode needs are set (see the table in shape_inference.h).
struct Instruction {
  Opcode opcode = Opcode::kParameter;
  Shape shape;
  std::string name;   // unique in the module
  std::string place;  // the model's line of thought, for errors: "[opt] layer 3"; may be empty
  std::vector<Instruction*> operands;
  std::vector<Computation*>
      called;  // reduce, scatter, sort, all-reduce: {to_apply}; call: {callee}; while: {condition, body}

  Dims dimensions;  // broadcast, transpose, reverse, reduce, concatenate (1), iota (1), sort (1), all-gather (1)
  Dims starts, limits, strides;     // slice
  Dims slice_sizes;                 // dynamic-slice
  std::vector<PaddingDim> padding;  // pad
  DotDims dot;
  GatherDims gather;
  ScatterDims scatter;
  Comparison comparison = Comparison::kEq;
  bool is_stable = false;                 // sort
  std::shared_ptr<const Tensor> literal;  // constant
  std::int64_t tuple_index = 0;           // get-tuple-element
  std::int64_t parameter_number = 0;
  ParameterRole role = ParameterRole::kInput;  // parameter of the entry
  bool sharded = false;                        // weight: each rank has its own; false: all ranks hold the same
  std::string custom_call_target;
  std::vector<std::vector<std::int64_t>> replica_groups;  // collectives; empty: all ranks in one group
  Composite composite;                                    // call
};

class Computation {
 public:
  std::string name;
  std::vector<std::unique_ptr<Instruction>> instructions;  // operands before their users
  Instruction* root = nullptr;

  // By parameter_number.
  std::vector<Instruction*> parameters() const;
};

// Output `output` (index into the root tuple, 0 when the root is no tuple) is written in place of parameter
// `parameter`.
struct Alias {
  std::int64_t output = 0;
  std::int64_t parameter = 0;
};

// Entry parameter `parameter` has bounded rows; how many there are is the value of the s32[] entry parameter `size`.
// All parameters bound to one `size` have the same number of rows, and so has everything computed from them row by row.
struct RowBinding {
  std::int64_t parameter = 0;
  std::int64_t size = 0;
};

class Module {
 public:
  std::string name;
  std::vector<std::unique_ptr<Computation>> computations;  // callees before callers
  Computation* entry = nullptr;
  std::vector<Alias> aliases;
  std::vector<RowBinding> row_bindings;

  Computation* add_computation(std::string computation_name);
  // Shapes of the results: the elements of the root's tuple, or the root's own shape.
  std::vector<Shape> result_shapes() const;
};

}  // namespace ganglion::hlo
