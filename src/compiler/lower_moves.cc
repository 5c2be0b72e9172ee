// Everything that only moves elements becomes a strided move: broadcast, transpose, slices, reverse, concatenate, pad.
#include <algorithm>

#include "compiler/lowering.h"

namespace ganglion::compiler {

using program::MoveParams;
using program::Operand;

namespace {

// A move into the whole of `to`, row-major.
MoveParams move_into(const Operand& to) {
  MoveParams move;
  move.dims = to.dims;
  move.target_strides = row_major_strides(to.dims);
  move.source_strides.assign(to.dims.size(), 0);
  move.rows = to.rows;
  return move;
}

}  // namespace

void Lowering::lower_broadcast(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const Operand from = operand(source.operands[0]);
  const Operand to = result(index);
  MoveParams move = move_into(to);
  const Dims strides = row_major_strides(from.dims);
  for (std::size_t i = 0; i < from.dims.size(); ++i) {
    move.source_strides[static_cast<std::size_t>(source.origin->dimensions[i])] = strides[i];
  }
  emit(source, move, {from}, {to});
}

void Lowering::lower_transpose(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const Operand from = operand(source.operands[0]);
  const Operand to = result(index);
  MoveParams move = move_into(to);
  const Dims strides = row_major_strides(from.dims);
  for (std::size_t i = 0; i < to.dims.size(); ++i) {
    move.source_strides[i] = strides[static_cast<std::size_t>(source.origin->dimensions[i])];
  }
  emit(source, move, {from}, {to});
}

void Lowering::lower_slice(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const Operand from = operand(source.operands[0]);
  const Operand to = result(index);
  MoveParams move = move_into(to);
  const Dims strides = row_major_strides(from.dims);
  for (std::size_t i = 0; i < to.dims.size(); ++i) {
    const std::int64_t step = source.origin->strides.empty() ? 1 : source.origin->strides[i];
    move.source_offset += source.origin->starts[i] * strides[i];
    move.source_strides[i] = step * strides[i];
  }
  emit(source, move, {from}, {to});
}

void Lowering::lower_reverse(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const Operand from = operand(source.operands[0]);
  const Operand to = result(index);
  MoveParams move = move_into(to);
  move.source_strides = row_major_strides(from.dims);
  for (const std::int64_t dimension : source.origin->dimensions) {
    const auto d = static_cast<std::size_t>(dimension);
    move.source_offset += (from.dims[d] - 1) * move.source_strides[d];
    move.source_strides[d] = -move.source_strides[d];
  }
  emit(source, move, {from}, {to});
}

void Lowering::lower_concatenate(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const auto dimension = static_cast<std::size_t>(source.origin->dimensions[0]);
  const Operand to = result(index);
  const Dims strides = row_major_strides(to.dims);
  std::int64_t before = 0;
  for (const Value value : source.operands) {
    const Operand from = operand(value);
    MoveParams move;
    move.dims = from.dims;
    move.source_strides = row_major_strides(from.dims);
    move.target_strides = strides;
    move.target_offset = before * strides[dimension];
    move.rows = from.rows;
    before += from.dims[dimension];
    emit(source, move, {from}, {to});
  }
}

void Lowering::lower_pad(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const Operand from = operand(source.operands[0]);
  const Operand value = operand(source.operands[1]);
  const Operand to = result(index);
  emit(source, program::FillParams{}, {value}, {to});
  MoveParams move;
  move.rows = from.rows;
  const Dims from_strides = row_major_strides(from.dims);
  const Dims to_strides = row_major_strides(to.dims);
  for (std::size_t i = 0; i < from.dims.size(); ++i) {
    const hlo::PaddingDim& padding = source.origin->padding[i];
    const std::int64_t step = padding.interior + 1;
    // The operand's elements first..last land inside the result (negative padding cuts).
    const std::int64_t first = padding.low < 0 ? (-padding.low + step - 1) / step : 0;
    const std::int64_t room = to.dims[i] - 1 - padding.low;
    const std::int64_t last = room < 0 ? -1 : std::min(from.dims[i] - 1, room / step);
    move.dims.push_back(std::max<std::int64_t>(0, last - first + 1));
    move.source_offset += first * from_strides[i];
    move.target_offset += (padding.low + first * step) * to_strides[i];
    move.source_strides.push_back(from_strides[i]);
    move.target_strides.push_back(step * to_strides[i]);
  }
  emit(source, move, {from}, {to});
}

void Lowering::lower_dynamic_slice(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  std::vector<Operand> operands;
  for (const Value value : source.operands) operands.push_back(operand(value));
  const Operand to = result(index);
  MoveParams move = move_into(to);
  move.source_strides = row_major_strides(operands[0].dims);
  move.dynamic = true;
  move.start_strides = move.source_strides;
  for (std::size_t i = 0; i < to.dims.size(); ++i) move.start_limits.push_back(operands[0].dims[i] - to.dims[i]);
  emit(source, move, std::move(operands), {to});
}

void Lowering::lower_dynamic_update_slice(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  std::vector<Operand> operands;
  for (std::size_t i = 1; i < source.operands.size(); ++i) operands.push_back(operand(source.operands[i]));
  const Operand to = result_updating(index);
  const Operand& update = operands[0];
  MoveParams move;
  move.dims = update.dims;
  move.rows = update.rows;
  move.source_strides = row_major_strides(update.dims);
  move.target_strides = row_major_strides(to.dims);
  move.dynamic = true;
  move.starts_on_target = true;
  move.start_strides = move.target_strides;
  for (std::size_t i = 0; i < to.dims.size(); ++i) move.start_limits.push_back(to.dims[i] - update.dims[i]);
  emit(source, move, std::move(operands), {to});
}

}  // namespace ganglion::compiler
