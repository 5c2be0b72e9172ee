// Steps in general form: dot, reduce, gather, scatter, sort, while.
#include <algorithm>

#include "base/error.h"
#include "compiler/lowering.h"

namespace ganglion::compiler {

using program::kAllRows;
using program::Operand;

namespace {

bool contains(const Dims& dims, std::int64_t dimension) {
  return std::find(dims.begin(), dims.end(), dimension) != dims.end();
}

void pick(const Dims& dims, const Dims& strides, const Dims& chosen, Dims& sizes, Dims& chosen_strides) {
  for (const std::int64_t dimension : chosen) {
    sizes.push_back(dims[static_cast<std::size_t>(dimension)]);
    chosen_strides.push_back(strides[static_cast<std::size_t>(dimension)]);
  }
}

Dims rest(std::size_t rank, const Dims& a, const Dims& b) {
  Dims out;
  for (std::size_t i = 0; i < rank; ++i) {
    const auto dimension = static_cast<std::int64_t>(i);
    if (!contains(a, dimension) && !contains(b, dimension)) out.push_back(dimension);
  }
  return out;
}

bool has_collectives(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (node.dead) continue;
    if (node.kind == NodeKind::kAllReduce) return true;
    if (node.kind == NodeKind::kInstruction && node.opcode == hlo::Opcode::kAllGather) return true;
    for (const auto& callee : node.called) {
      if (has_collectives(*callee)) return true;
    }
  }
  return false;
}

}  // namespace

void Lowering::lower_dot(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const hlo::DotDims& dims = source.origin->dot;
  const Operand lhs = operand(source.operands[0]);
  const Operand rhs = operand(source.operands[1]);
  const Dims lhs_strides = row_major_strides(lhs.dims);
  const Dims rhs_strides = row_major_strides(rhs.dims);
  const Dims lhs_free = rest(lhs.dims.size(), dims.lhs_batch, dims.lhs_contracting);
  const Dims rhs_free = rest(rhs.dims.size(), dims.rhs_batch, dims.rhs_contracting);
  program::DotParams params;
  Dims same;
  pick(lhs.dims, lhs_strides, dims.lhs_batch, params.batch, params.lhs_batch_strides);
  pick(lhs.dims, lhs_strides, lhs_free, params.lhs_free, params.lhs_free_strides);
  pick(lhs.dims, lhs_strides, dims.lhs_contracting, params.contracted, params.lhs_contracted_strides);
  pick(rhs.dims, rhs_strides, dims.rhs_batch, same, params.rhs_batch_strides);
  pick(rhs.dims, rhs_strides, rhs_free, params.rhs_free, params.rhs_free_strides);
  pick(rhs.dims, rhs_strides, dims.rhs_contracting, same, params.rhs_contracted_strides);
  using RowsIn = program::DotParams::RowsIn;
  if (lhs.rows != kAllRows) {
    params.rows = lhs.rows;
    params.rows_in = !dims.lhs_batch.empty() && dims.lhs_batch[0] == 0               ? RowsIn::kBatch
                     : !lhs_free.empty() && lhs_free[0] == 0                         ? RowsIn::kFree
                     : !dims.lhs_contracting.empty() && dims.lhs_contracting[0] == 0 ? RowsIn::kContracted
                                                                                     : RowsIn::kNowhere;
    // Rows inside a list would change the strides of the result: the bound is computed.
    if (params.rows_in == RowsIn::kFree && !dims.lhs_batch.empty()) params.rows_in = RowsIn::kNowhere;
  }
  emit(source, params, {lhs, rhs}, {result(index)});
}

void Lowering::lower_reduce(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  if (source.operands.size() != 2) {
    fail(Code::kUnsupported, "{} {}: reduce of {} arrays at once has no CPU step; reduce one", source.origin->place,
         source.origin->name, source.operands.size() / 2);
  }
  const Operand from = operand(source.operands[0]);
  const Operand init = operand(source.operands[1]);
  const Dims strides = row_major_strides(from.dims);
  Dims reduced = source.origin->dimensions;
  std::sort(reduced.begin(), reduced.end());
  const Dims kept = rest(from.dims.size(), reduced, {});
  program::ReduceParams params;
  pick(from.dims, strides, kept, params.kept, params.kept_strides);
  pick(from.dims, strides, reduced, params.reduced, params.reduced_strides);
  params.rows_kept = from.rows != kAllRows && !kept.empty() && kept[0] == 0;
  params.rows_reduced = from.rows != kAllRows && !reduced.empty() && reduced[0] == 0;
  params.combine = source.combine;
  std::vector<std::shared_ptr<const program::Program>> called;
  for (const auto& graph : source.called) {
    called.push_back(callee(graph));
    need_scratch(called.back()->arena_bytes + called.back()->scratch_bytes + program::kCalleeFrameBytes);
  }
  emit(source, params, {from, init}, {result(index)}).called = std::move(called);
}

void Lowering::lower_gather(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const hlo::GatherDims& dims = source.origin->gather;
  program::GatherParams params{dims.offset_dims, dims.collapsed_slice_dims, dims.start_index_map, dims.slice_sizes,
                               dims.index_vector_dim};
  emit(source, params, {operand(source.operands[0]), operand(source.operands[1])}, {result(index)});
}

void Lowering::lower_scatter(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  if (source.operands.size() != 3) {
    fail(Code::kUnsupported, "{} {}: scatter into several arrays at once has no CPU step; scatter into one",
         source.origin->place, source.origin->name);
  }
  const hlo::ScatterDims& dims = source.origin->scatter;
  program::ScatterParams params{
      dims.update_window_dims, dims.inserted_window_dims, dims.scatter_dims_to_operand_dims, dims.index_vector_dim,
      source.combine,          source.overwrite};
  const Operand indices = operand(source.operands[1]);
  const Operand updates = operand(source.operands[2]);
  std::vector<std::shared_ptr<const program::Program>> called;
  for (const auto& graph : source.called) {
    called.push_back(callee(graph));
    need_scratch(called.back()->arena_bytes + called.back()->scratch_bytes + program::kCalleeFrameBytes);
  }
  const Operand to = result_updating(index);
  emit(source, params, {indices, updates}, {to}).called = std::move(called);
}

void Lowering::lower_sort(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const auto comparator = callee(source.called[0]);
  need_scratch(comparator->arena_bytes + comparator->scratch_bytes + program::kCalleeFrameBytes);
  std::vector<Operand> operands, results;
  for (const Value value : source.operands) operands.push_back(operand(value));
  for (std::size_t i = 0; i < source.results.size(); ++i)
    results.push_back(result(index, static_cast<std::int32_t>(i)));
  // Per line of the dimension: a permutation, and room to merge.
  emit(source, program::SortParams{source.origin->dimensions[0]}, std::move(operands), std::move(results)).called = {
      comparator};
}

void Lowering::lower_while(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const auto condition = callee(source.called[0]);
  const auto body = callee(source.called[1]);
  std::vector<Operand> operands, results;
  std::int64_t scratch = 64;  // the condition's answer
  for (const Value value : source.operands) operands.push_back(operand(value));
  for (std::size_t i = 0; i < source.results.size(); ++i) {
    results.push_back(result(index, static_cast<std::int32_t>(i)));
    scratch += (results.back().bytes + 63) / 64 * 64;
  }
  scratch += std::max(condition->arena_bytes, body->arena_bytes);
  results.push_back(temporary(source, scratch));
  need_scratch(std::max(condition->scratch_bytes, body->scratch_bytes));
  const bool lockstep = has_collectives(*source.called[0]) || has_collectives(*source.called[1]);
  program::Step& step =
      emit(source, program::WhileParams{lockstep && unit_.ranks > 1}, std::move(operands), std::move(results));
  step.called = {condition, body};
}

}  // namespace ganglion::compiler
