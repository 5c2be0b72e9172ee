// The state of one lowering, shared by the files lower*.cc. Not for anybody else: the way in is lower.h.
#pragma once

#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "compiler/lower.h"

namespace ganglion::compiler {

class Lowering {
 public:
  Lowering(const Graph& graph, const Unit& unit, const kernels::Table& table);
  Lowered run();

 private:
  // Where the values of a class (a value and its reshapes) lie.
  struct Place {
    program::Space space = program::Space::kArena;
    std::int32_t index = -1;  // -1: not decided yet
    std::int64_t offset = 0;
  };

  // lower.cc: buffers
  std::size_t number(Value value) const {
    return static_cast<std::size_t>(base_[static_cast<std::size_t>(value.node)] + value.result);
  }
  Value root(Value value) const { return root_[number(value)]; }
  const Node& node(Value value) const { return graph_.node(value); }
  void number_values();
  void find_last_uses();
  void mark_state_updates();
  void mark_direct_results();
  void add_ports();
  void store_results();
  program::Operand operand(Value value);
  program::Operand describe(Value value, const Place& place) const;
  program::Operand weight_operand(Value parameter, const program::WeightForm& form);
  // A result in memory of its own (or the caller's).
  program::Operand result(std::int32_t index, std::int32_t which = 0);
  // A result that may take the memory of one of `reusable` operands, when it dies here and fits.
  program::Operand result_over(std::int32_t index, const std::vector<Value>& reusable);
  // The result of an update of operands[0] in place: over it when possible, else after a copy of it.
  program::Operand result_updating(std::int32_t index);
  program::Operand temporary(const Node& node, std::int64_t bytes);
  program::Step& emit(const Node& node, program::Params params, std::vector<program::Operand> operands,
                      std::vector<program::Operand> results);
  void copy(const Node& node, const program::Operand& from, const program::Operand& to);
  void need_scratch(std::int64_t bytes);
  std::shared_ptr<const program::Program> callee(const std::shared_ptr<Graph>& graph);

  void lower_node(std::int32_t index);
  void lower_instruction(std::int32_t index);

  // lower_kernels.cc
  void lower_matmul(std::int32_t index);
  // What a matmul reads of its x, made once for all matmuls that read the same; none when it reads x.
  std::optional<program::Operand> prepared(const Node& matmul);
  void lower_rowwise(std::int32_t index);  // norms, rotary: row by row, over operand 0 when it dies
  void lower_embedding(std::int32_t index);
  bool is_packed_by_rows(Value weight);
  void lower_kv_write(std::int32_t index);
  void lower_attention(std::int32_t index);
  void lower_elementwise(std::int32_t index);
  void lower_all_reduce(std::int32_t index);
  void lower_all_gather(std::int32_t index);

  // lower_moves.cc
  void lower_broadcast(std::int32_t index);
  void lower_transpose(std::int32_t index);
  void lower_slice(std::int32_t index);
  void lower_reverse(std::int32_t index);
  void lower_concatenate(std::int32_t index);
  void lower_pad(std::int32_t index);
  void lower_dynamic_slice(std::int32_t index);
  void lower_dynamic_update_slice(std::int32_t index);

  // lower_contractions.cc
  void lower_dot(std::int32_t index);
  void lower_reduce(std::int32_t index);
  void lower_gather(std::int32_t index);
  void lower_scatter(std::int32_t index);
  void lower_sort(std::int32_t index);
  void lower_while(std::int32_t index);

  const Graph& graph_;
  const Unit& unit_;
  const kernels::Table& table_;
  Lowered out_;
  std::vector<std::int32_t> base_;             // first value number of each node
  std::vector<Value> root_;                    // by value number
  std::vector<Place> place_;                   // by value number of the root
  std::vector<std::int32_t> last_use_;         // by value number of the root: node index
  std::vector<std::int32_t> direct_result_;    // by value number of the root: result index or -1
  std::vector<bool> updates_state_;            // by node
  std::vector<std::int32_t> state_of_output_;  // by output: index of states, or -1
  // By x, which reshapes share, its columns, storage and group.
  std::map<std::tuple<std::size_t, std::int64_t, DType, std::int64_t>, program::Operand> prepared_;
  std::map<std::pair<std::int64_t, int>, std::int32_t> weight_index_;  // parameter, form
  std::unordered_map<const Tensor*, std::int64_t> constant_offset_;
  std::unordered_map<const Graph*, std::shared_ptr<const program::Program>> callees_;
};

// Elements between neighbours of each dimension, row-major.
Dims row_major_strides(const Dims& dims);

}  // namespace ganglion::compiler
