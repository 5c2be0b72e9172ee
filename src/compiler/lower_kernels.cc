// The steps that have kernels of their own, elementwise chains, and collectives.
#include <algorithm>

#include "base/error.h"
#include "compiler/lowering.h"
#include "compiler/storage.h"

namespace ganglion::compiler {

using program::kAllRows;
using program::Operand;

namespace {

program::WeightForm panels(const kernels::Table& table, DType storage, std::int64_t n, std::int64_t k) {
  program::WeightForm form;
  form.packed = true;
  form.n = n;
  form.k = k;
  form.bytes = static_cast<std::int64_t>(table.packed_bytes(storage_of(storage), n, k));
  return form;
}

program::WeightForm scales(const kernels::Table& table, std::int64_t n, std::int64_t groups) {
  program::WeightForm form;
  form.packed = form.scales = true;
  form.n = n;
  form.k = groups;
  form.bytes = table.packed_scale_bytes(n, groups);
  return form;
}

}  // namespace

void Lowering::lower_matmul(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const auto& params = std::get<program::MatmulParams>(source.params);
  program::WeightForm form = panels(table_, params.storage, params.n, params.k);
  form.transposed = source.transposed_weight;
  need_scratch(
      table_.matmul_scratch(storage_of(params.storage), graph_.result(source.operands[0]).shape.dims[0], params.k));
  std::vector<Operand> operands = {operand(source.operands[0]), weight_operand(source.operands[1], form)};
  std::size_t next = 2;
  if (params.group > 0) {  // scales go along with the panels
    form = scales(table_, params.n, params.k / params.group);
    operands.push_back(weight_operand(source.operands[next++], form));
  }
  for (std::size_t i = next; i < source.operands.size(); ++i) operands.push_back(operand(source.operands[i]));
  std::vector<Value> reusable;
  if (params.has_residual && root(source.operands.back()) != root(source.operands[0])) {
    reusable.push_back(source.operands.back());
  }
  const std::optional<Operand> made = prepared(source);
  program::MatmulParams with = params;
  with.prepared = made.has_value();
  if (made) operands.push_back(*made);
  const Operand to = result_over(index, reusable);
  emit(source, with, std::move(operands), {to});
}

std::optional<Operand> Lowering::prepared(const Node& matmul) {
  const auto& params = std::get<program::MatmulParams>(matmul.params);
  const Value x = root(matmul.operands[0]);
  const std::int64_t rows = graph_.result(matmul.operands[0]).shape.dims[0];
  const std::int64_t bytes = table_.prepared_bytes(storage_of(params.storage), rows, params.k, params.group);
  if (bytes == 0) return std::nullopt;
  const auto [found, fresh] = prepared_.try_emplace({number(x), params.k, params.storage, params.group});
  if (fresh) {
    const Node& owner = node(x);
    const Operand from = operand(matmul.operands[0]);
    Operand& to = found->second = temporary(owner, bytes);
    to.dims = {rows, (bytes + rows - 1) / rows};
    to.rows = from.rows;
    emit(matmul, program::PrepareRowsParams{params.k, params.storage, params.group}, {from}, {to}).per_rank =
        !owner.replicated;
  }
  return found->second;
}

void Lowering::lower_rowwise(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  std::vector<Operand> operands;
  for (const Value value : source.operands) operands.push_back(operand(value));
  const Operand to = result_over(index, {source.operands[0]});
  emit(source, source.params, std::move(operands), {to});
}

bool Lowering::is_packed_by_rows(Value weight) {
  return std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& node) {
    return !node.dead && node.kind == NodeKind::kMatmul && !node.transposed_weight &&
           root(node.operands[1]) == root(weight);
  });
}

void Lowering::lower_embedding(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  auto params = std::get<program::EmbeddingParams>(source.params);
  const Value table = source.operands[0];
  // A table that a matmul reads as well (a tied head) is read where that has it; whole numbers always.
  params.packed = source.operands.size() == 3 || is_packed_by_rows(table);
  std::vector<Operand> operands;
  if (params.packed) {
    const DType storage = graph_.result(table).shape.dtype;
    operands.push_back(weight_operand(root(table), panels(table_, storage, params.rows, params.cols)));
  } else {
    operands.push_back(operand(table));
  }
  for (std::size_t i = 1; i < source.operands.size(); ++i) operands.push_back(operand(source.operands[i]));
  emit(source, params, std::move(operands), {result(index)});
}

void Lowering::lower_kv_write(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const Operand rows = operand(source.operands[1]);
  const Operand slots = operand(source.operands[2]);
  const auto& params = std::get<program::KvWriteParams>(source.params);
  const program::SlotCheck check{slots.index, params.blocks * params.block_size};
  auto& checks = out_.program.slot_checks;
  if (std::find(checks.begin(), checks.end(), check) == checks.end()) checks.push_back(check);
  const Operand to = result_updating(index);
  emit(source, params, {rows, slots}, {to});
}

void Lowering::lower_attention(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const auto& params = std::get<program::AttentionParams>(source.params);
  need_scratch(table_.attention_scratch(params.head_dim, params.block_size) * 4);
  std::vector<Operand> operands;
  for (const Value value : source.operands) operands.push_back(operand(value));
  const program::AttentionCheck check{operands[3].index, operands[4].index, operands[5].index, params.sequences,
                                      params.max_blocks, params.blocks,     params.block_size};
  auto& checks = out_.program.attention_checks;
  if (std::find(checks.begin(), checks.end(), check) == checks.end()) checks.push_back(check);
  emit(source, params, std::move(operands), {result(index)});
}

void Lowering::lower_elementwise(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const auto& params = std::get<program::ElementwiseParams>(source.params);
  std::vector<Operand> operands;
  std::vector<Value> reusable;
  for (std::size_t i = 0; i < source.operands.size(); ++i) {
    operands.push_back(operand(source.operands[i]));
    // Written block by block where it is read: every reading of that memory must be element by element.
    bool in_step = params.accesses[i].full();
    for (std::size_t j = 0; j < source.operands.size(); ++j) {
      in_step = in_step && (params.accesses[j].full() || root(source.operands[j]) != root(source.operands[i]));
    }
    if (in_step) reusable.push_back(source.operands[i]);
  }
  const auto registers = static_cast<std::int64_t>(params.accesses.size() + params.instructions.size());
  need_scratch(registers * program::kElementBlock * 8);
  const Operand to = result_over(index, reusable);
  emit(source, params, std::move(operands), {to});
}

void Lowering::lower_all_reduce(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const auto& params = std::get<program::AllReduceParams>(source.params);
  if (source.called.size() == 1) {
    const auto combine = callee(source.called[0]);
    need_scratch(combine->arena_bytes + combine->scratch_bytes + program::kCalleeFrameBytes);
  }
  std::vector<Operand> operands;
  for (const Value value : source.operands) operands.push_back(operand(value));
  program::Step& step = emit(source, params, std::move(operands), {result(index)});
  for (const auto& graph : source.called) step.called.push_back(callee(graph));
}

void Lowering::lower_all_gather(std::int32_t index) {
  const Node& source = graph_.nodes[static_cast<std::size_t>(index)];
  const Operand from = operand(source.operands[0]);
  const auto dimension = static_cast<std::size_t>(source.origin->dimensions[0]);
  program::AllGatherParams params;
  params.groups = source.origin->replica_groups;
  for (std::size_t i = 0; i < from.dims.size(); ++i) {
    if (i >= dimension) {
      params.chunk *= from.dims[i];
    } else if (i == 0 && from.rows != kAllRows) {
      params.rows_outer = true;
    } else {
      params.outer *= from.dims[i];
    }
  }
  emit(source, params, {from}, {result(index)});
}

}  // namespace ganglion::compiler
