// What the compiler writes and the CPU runtime reads: a flat list of steps over buffers whose places are already
// decided. Plain data: nothing here runs, owns memory of the size of weights, or knows the graph it came from.
//
// Memory. Every rank has an *arena* of its own; what is equal on all ranks lies in one *shared arena* and is computed
// once. Rows. A bounded buffer is sized at its bound; how many rows are real is the value of a size input, read before
// every run. Order. Steps run in order; threads need to meet before a step only where `barrier` says so.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace ganglion::program {

enum class Space : std::uint8_t {
  kArena,     // offset into the rank's arena
  kShared,    // offset into the arena of all ranks
  kConstant,  // offset into Program::constants
  kWeight,    // index of Program::weights
  kState,     // index of Program::states
  kInput,     // index of Program::inputs
  kResult,    // index of Program::results
};

inline constexpr std::int32_t kAllRows = -1;

// One array that a step reads or writes.
struct Operand {
  Space space = Space::kArena;
  DType dtype = DType::kF32;
  std::int32_t rows = kAllRows;  // index of Program::sizes: dims[0] is a bound, the value of that size is real
  std::int32_t index = 0;        // of weight, state, input, result
  std::int64_t offset = 0;       // bytes, of arenas and constants
  std::int64_t bytes = 0;        // at the bound
  Dims dims;
};

// The elementwise operations; float types are computed in f32 and rounded after every operation.
enum class ElementOp : std::uint8_t {
  kNegate,
  kAbs,
  kExponential,
  kLog,
  kSqrt,
  kRsqrt,
  kTanh,
  kErf,
  kLogistic,
  kSign,
  kSine,
  kCosine,
  kFloor,
  kRoundNearestEven,
  kNot,
  kRelu,
  kGeluErf,
  kGeluTanh,
  kSilu,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kMaximum,
  kMinimum,
  kPower,
  kRemainder,
  kAnd,
  kOr,
  kXor,
  kShiftLeft,
  kShiftRightLogical,
  kEqual,
  kNotEqual,
  kGreaterEqual,
  kGreater,
  kLessEqual,
  kLess,
  kSelect,
  kClamp,
  kConvert,
};
std::string_view element_op_name(ElementOp op) noexcept;

// Elementwise steps work on this many elements at a time, every register taking 8 bytes for each of them.
inline constexpr std::int64_t kElementBlock = 512;
// Scratch for the arguments and the result of a scalar computation, beside its arena.
inline constexpr std::int64_t kCalleeFrameBytes = 256;

// How an operand of fewer elements is read: result element i takes operand element (i / divisor) % period.
struct Access {
  std::int64_t divisor = 1;
  std::int64_t period = 0;  // 0: no modulus
  bool full() const { return divisor == 1 && period == 0; }
  bool operator==(const Access&) const = default;
};

// One operation of an elementwise step. Arguments are registers: first the step's operands, then the results of earlier
// operations.
struct ElementInstruction {
  ElementOp op = ElementOp::kAdd;
  DType from = DType::kF32;  // of the arguments (of the last two for select)
  DType to = DType::kF32;    // of the result
  std::array<std::int16_t, 3> arguments{};
  bool operator==(const ElementInstruction&) const = default;
};

enum class Activation : std::uint8_t { kNone, kRelu, kGeluErf, kGeluTanh, kSilu };

// operands {x [R,K], panels, scales (of s8 and s4), bias?, residual?, prepared?}
struct MatmulParams {
  std::int64_t k = 0, n = 0;
  DType storage = DType::kF32;
  Activation activation = Activation::kNone;
  bool has_bias = false, has_residual = false;
  bool prepared = false;   // the last operand is what a step before has made of x
  std::int64_t group = 0;  // of s4: neighbours along k that share a scale
};
// operands {x [R,K]}; result: x as matmuls of this storage read it
struct PrepareRowsParams {
  std::int64_t k = 0;
  DType storage = DType::kF32;
  std::int64_t group = 0;  // as MatmulParams
};
// operands {x, weight, bias}
struct LayerNormParams {
  std::int64_t cols = 0;
  float epsilon = 0;
};
// operands {x, weight}
struct RmsNormParams {
  std::int64_t cols = 0;
  float epsilon = 0;
};
// operands {x, cosine, sine}
struct RotaryParams {
  std::int64_t heads = 0, head_dim = 0, pairs = 0;
  bool neighbours = false;
};
// operands {table, ids}; of a table in s8 {table, ids, scales}
struct EmbeddingParams {
  std::int64_t rows = 0, cols = 0;
  bool packed = false;  // the table is the panels that a matmul reads; always in s8
};
// operands {rows, slots}; result: the cache, or the scales of a cache in s8
struct KvWriteParams {
  std::int64_t kv_heads = 0, head_dim = 0, block_size = 0, blocks = 0;
  bool transposed = false, scales = false;
};
// operands {q, k_cache, v_cache, block_table, sequence, position}, then {k_scale, v_scale} of caches in s8
struct AttentionParams {
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0, block_size = 0, max_blocks = 0, blocks = 0, sequences = 0;
  float scale = 1;
};
// operands: any number; the result is the last instruction's
struct ElementwiseParams {
  std::vector<Access> accesses;  // one per operand
  std::vector<ElementInstruction> instructions;
};
// Element (i0, i1, ...) of `dims` is moved from source_offset + sum(i * source_strides) to target_offset +
// sum(i * target_strides), counted in elements. operands {source}, or {source, s32 starts...} when `dynamic`:
// the clamped starts times start_strides are added to the source's side (dynamic-slice) or the target's (update).
struct MoveParams {
  Dims dims, source_strides, target_strides;
  std::int64_t source_offset = 0, target_offset = 0;
  std::int32_t rows = kAllRows;  // dims[0] is this size when it is not kAllRows
  bool dynamic = false, starts_on_target = false;
  Dims start_limits, start_strides;
};
// Fills the result with the one element of the operand (pad).
struct FillParams {};
struct IotaParams {
  std::int64_t dimension = 0;
};
// Both operands as [batch, free, contracted] by strides; dimension lists give sizes, outermost first.
struct DotParams {
  Dims batch, lhs_free, rhs_free, contracted;
  Dims lhs_batch_strides, lhs_free_strides, lhs_contracted_strides;
  Dims rhs_batch_strides, rhs_free_strides, rhs_contracted_strides;
  std::int32_t rows = kAllRows;  // the real number of the rows of lhs, whose dimension is, with that size in rows_in:
  enum class RowsIn : std::uint8_t { kNowhere, kBatch, kFree, kContracted } rows_in = RowsIn::kNowhere;  // list's first
};
enum class Combine : std::uint8_t { kAdd, kMultiply, kMaximum, kMinimum, kAnd, kOr, kProgram };
// operands {x, init}
struct ReduceParams {
  Dims kept, reduced, kept_strides, reduced_strides;  // sizes and strides in x
  bool rows_kept = false, rows_reduced = false;       // kept[0] / reduced[0] is x's bounded row dimension
  Combine combine = Combine::kAdd;                    // kProgram: Step::called[0]
};
// operands {x, indices}
struct GatherParams {
  Dims offset_dims, collapsed_slice_dims, start_index_map, slice_sizes;
  std::int64_t index_vector_dim = 0;
};
// operands {x, indices, updates}; the result starts as x
struct ScatterParams {
  Dims update_window_dims, inserted_window_dims, scatter_dims_to_operand_dims;
  std::int64_t index_vector_dim = 0;
  Combine combine = Combine::kAdd;
  bool overwrite = false;  // the computation returns the update
};
// operands sorted together by the comparator Step::called[0]
struct SortParams {
  std::int64_t dimension = 0;
};
// operands: the initial values; results: the final ones. called {condition, body}. The last result is scratch.
struct WhileParams {
  bool lockstep = false;  // the body has collectives: all ranks go round together
};
// operands {x}, then {bias?, residual?}: result = combine over the group, in rank order, + bias[n] + residual
struct AllReduceParams {
  Combine combine = Combine::kAdd;
  std::vector<std::vector<std::int64_t>> groups;
  std::int64_t cols = 0;  // period of the bias
  bool has_bias = false, has_residual = false;
};
// operands {x}; the result is the group's x joined: `outer` times `chunk` elements of each rank
struct AllGatherParams {
  std::int64_t outer = 1, chunk = 1;
  bool rows_outer = false;  // outer counts bounded rows: rows * outer
  std::vector<std::vector<std::int64_t>> groups;
};
struct ReplicaIdParams {};

using Params = std::variant<MatmulParams, PrepareRowsParams, LayerNormParams, RmsNormParams, RotaryParams,
                            EmbeddingParams, KvWriteParams, AttentionParams, ElementwiseParams, MoveParams, FillParams,
                            IotaParams, DotParams, ReduceParams, GatherParams, ScatterParams, SortParams, WhileParams,
                            AllReduceParams, AllGatherParams, ReplicaIdParams>;

struct Program;

struct Step {
  Params params;
  std::vector<Operand> operands;
  std::vector<Operand> results;
  bool per_rank = false;                               // false: once for all ranks
  bool barrier = false;                                // threads meet before it
  std::string name;                                    // the instruction's
  std::string place;                                   // the model's line of thought
  std::vector<std::shared_ptr<const Program>> called;  // shared: equal layers have equal computations
};

// How a weight parameter is kept. A parameter may be kept in both forms.
struct WeightForm {
  std::int64_t parameter = 0;
  bool packed = false;      // panels of an [n, k] matrix; else plain, dense, in the parameter's dtype
  bool scales = false;      // packed: of a weight in s4, k being its groups
  bool transposed = false;  // the parameter is [k, n]
  std::int64_t n = 0, k = 0;
  std::int64_t bytes = 0;  // of one rank
  bool sharded = false;    // each rank has its own
};

struct StateSlot {
  std::int64_t parameter = 0;
  std::int64_t bytes = 0;  // of one rank
};

// A size input and the largest value it may have.
struct SizeSlot {
  std::int64_t input = 0;  // index of Program::inputs
  std::int64_t bound = 0;
};

// What is bound to a run from outside, checked by the runtime.
struct Port {
  DType dtype = DType::kF32;
  Dims dims;
  std::int32_t rows = kAllRows;
  std::string name;
  std::int64_t number = 0;  // input: parameter number; result: output index
  bool replicated = true;   // result: written once for all ranks
};

// What the kernels of the paged cache trust: checked by the runtime before every run. All are inputs' numbers.
struct SlotCheck {
  std::int32_t slots = 0;
  std::int64_t limit = 0;  // slots are below it
  bool operator==(const SlotCheck&) const = default;
};
struct AttentionCheck {
  std::int32_t block_table = 0, sequence = 0, position = 0;
  std::int64_t sequences = 0, max_blocks = 0, blocks = 0, block_size = 0;
  bool operator==(const AttentionCheck&) const = default;
};

struct Program {
  std::string name;
  std::vector<Step> steps;
  std::vector<Port> inputs, results;
  std::vector<WeightForm> weights;
  std::vector<StateSlot> states;
  std::vector<SizeSlot> sizes;
  std::vector<SlotCheck> slot_checks;
  std::vector<AttentionCheck> attention_checks;
  std::vector<std::byte> constants;
  std::int64_t arena_bytes = 0;         // per rank
  std::int64_t shared_arena_bytes = 0;  // once
  std::int64_t scratch_bytes = 0;       // per thread

  // Of the program's own data, what is called included.
  std::int64_t program_bytes() const;
};

// "matmul f16 avx2 [512,2048]x[8192,2048]": what the step does, without where; the kernel table's name when given.
std::string describe(const Step& step, std::string_view isa = {});
// The whole program as text: buffers, then one line per step.
std::string dump(const Program& program);

}  // namespace ganglion::program
