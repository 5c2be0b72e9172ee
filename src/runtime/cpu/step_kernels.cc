#include <algorithm>

#include "compiler/storage.h"
#include "runtime/cpu/attention_calls.h"
#include "runtime/cpu/element_types.h"
#include "runtime/cpu/steps.h"

namespace ganglion::runtime::cpu {
namespace {

std::size_t storage_index(DType dtype) { return static_cast<std::size_t>(storage_of(dtype)); }

}  // namespace

void run_step(const program::MatmulParams& params, const StepContext& context) {
  const program::Step& step = context.step;
  const kernels::Table& table = *context.team.table;
  const std::int64_t width = table.panel_width;
  const std::int64_t panels = (params.n + width - 1) / width;
  const std::int64_t rows = context.frames[0].rows_of(step.operands[0].rows, step.operands[0].dims[0]);
  if (rows == 0) return;
  for_share(context, panels, width * params.k * std::max<std::int64_t>(rows, 2), 1,
            [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
              kernels::MatmulArgs args;
              args.x = frame.as<const float>(step.operands[0]);
              args.panels = frame.at(step.operands[1]);
              std::size_t next = 2;
              if (params.storage == DType::kS8 || params.storage == DType::kS4) {
                args.scales = frame.at(step.operands[next++]);
              }
              args.group = params.group;
              if (params.prepared) args.prepared = frame.at(step.operands.back());
              args.scratch = context.team.scratch;
              if (params.has_bias) args.bias = frame.as<const float>(step.operands[next++]);
              if (params.has_residual) args.residual = frame.as<const float>(step.operands[next]);
              args.out = frame.as<float>(step.results[0]);
              args.rows = rows;
              args.k = params.k;
              args.n = params.n;
              args.n_begin = begin * width;
              args.n_end = std::min(end * width, params.n);
              args.x_stride = params.k;
              args.out_stride = params.n;
              args.activation = static_cast<kernels::Activation>(params.activation);
              table.matmul[storage_index(params.storage)](args);
            });
}

std::int64_t rows_to_prepare(const program::PrepareRowsParams& params, const StepContext& context) {
  const program::Operand& x = context.step.operands[0];
  const std::int64_t rows = context.frames[0].rows_of(x.rows, x.dims[0]);
  const kernels::Table& table = *context.team.table;
  return table.prepared_bytes(storage_of(params.storage), rows, params.k, params.group) > 0 ? rows : 0;
}

void run_step(const program::PrepareRowsParams& params, const StepContext& context) {
  const program::Step& step = context.step;
  const std::int64_t rows = rows_to_prepare(params, context);
  for_share(context, rows, params.k * 2, kernels::kPreparedTogether,
            [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
              kernels::PrepareArgs args;
              args.x = frame.as<const float>(step.operands[0]);
              args.out = frame.at(step.results[0]);
              args.rows = rows;
              args.k = args.x_stride = params.k;
              args.group = params.group;
              args.row_begin = begin;
              args.row_end = end;
              context.team.table->prepare_rows(storage_of(params.storage), args);
            });
}

void run_step(const program::LayerNormParams& params, const StepContext& context) {
  const program::Step& step = context.step;
  const std::int64_t rows = context.frames[0].rows_of(step.operands[0].rows, step.operands[0].dims[0]);
  for_share(context, rows, params.cols * 4, 1, [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
    kernels::LayerNormArgs args;
    args.x = frame.as<const float>(step.operands[0]) + begin * params.cols;
    args.weight = frame.as<const float>(step.operands[1]);
    args.bias = frame.as<const float>(step.operands[2]);
    args.out = frame.as<float>(step.results[0]) + begin * params.cols;
    args.rows = end - begin;
    args.cols = params.cols;
    args.epsilon = params.epsilon;
    context.team.table->layer_norm(args);
  });
}

void run_step(const program::RmsNormParams& params, const StepContext& context) {
  const program::Step& step = context.step;
  const std::int64_t rows = context.frames[0].rows_of(step.operands[0].rows, step.operands[0].dims[0]);
  for_share(context, rows, params.cols * 4, 1, [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
    kernels::RmsNormArgs args;
    args.x = frame.as<const float>(step.operands[0]) + begin * params.cols;
    args.weight = frame.as<const float>(step.operands[1]);
    args.out = frame.as<float>(step.results[0]) + begin * params.cols;
    args.rows = end - begin;
    args.cols = params.cols;
    args.epsilon = params.epsilon;
    context.team.table->rms_norm(args);
  });
}

void run_step(const program::RotaryParams& params, const StepContext& context) {
  const program::Step& step = context.step;
  const std::int64_t cols = params.heads * params.head_dim;
  const std::int64_t rows = context.frames[0].rows_of(step.operands[0].rows, step.operands[0].dims[0]);
  for_share(context, rows, cols * 4, 1, [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
    kernels::RotaryArgs args;
    args.x = frame.as<const float>(step.operands[0]) + begin * cols;
    args.cosine = frame.as<const float>(step.operands[1]) + begin * params.pairs;
    args.sine = frame.as<const float>(step.operands[2]) + begin * params.pairs;
    args.out = frame.as<float>(step.results[0]) + begin * cols;
    args.rows = end - begin;
    args.heads = params.heads;
    args.head_dim = params.head_dim;
    args.pairs = params.pairs;
    args.neighbours = params.neighbours;
    context.team.table->rotary(args);
  });
}

void run_step(const program::EmbeddingParams& params, const StepContext& context) {
  const program::Step& step = context.step;
  const std::int64_t count = context.frames[0].rows_of(step.operands[1].rows, step.operands[1].dims[0]);
  const std::int64_t rows = context.frames[0].rows_of(step.operands[0].rows, params.rows);
  if (rows == 0) return;
  for_share(context, count, params.cols * 4, 1, [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
    const kernels::Table& table = *context.team.table;
    const auto* ids = frame.as<const std::int32_t>(step.operands[1]) + begin;
    float* out = frame.as<float>(step.results[0]) + begin * params.cols;
    if (params.packed) {
      const float* scales = step.operands.size() == 3 ? frame.as<const float>(step.operands[2]) : nullptr;
      table.gather_packed_rows(storage_of(step.operands[0].dtype), frame.at(step.operands[0]), scales, ids, out,
                               end - begin, rows, params.cols);
      return;
    }
    table.gather_rows[storage_index(step.operands[0].dtype)](frame.at(step.operands[0]), ids, out, end - begin, rows,
                                                             params.cols);
  });
}

// Tokens are split, never heads: two tokens of one step never have one slot.
void run_step(const program::KvWriteParams& params, const StepContext& context) {
  const program::Step& step = context.step;
  const std::int64_t cols = params.kv_heads * params.head_dim;
  const std::int64_t tokens = context.frames[0].rows_of(step.operands[0].rows, step.operands[0].dims[0]);
  for_share(context, tokens, cols * 4, 1, [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
    kernels::KvWriteArgs args;
    args.rows = frame.as<const float>(step.operands[0]);
    args.cache = frame.at(step.results[0]);
    args.slot = frame.as<const std::int32_t>(step.operands[1]);
    args.token_begin = begin;
    args.token_end = end;
    args.kv_heads = params.kv_heads;
    args.head_dim = params.head_dim;
    args.block_size = params.block_size;
    args.row_stride = cols;
    args.transposed = params.transposed;
    const kernels::Table& table = *context.team.table;
    (params.scales ? table.kv_scale : table.kv_write[storage_index(step.results[0].dtype)])(args);
  });
}

void run_step(const program::AttentionParams& params, const StepContext& context) {
  const program::Step& step = context.step;
  const std::int64_t group = params.heads / params.kv_heads;
  // The same for every rank.
  const AttentionTokens tokens{context.frames[0].as<const std::int32_t>(step.operands[4]),
                               context.frames[0].as<const std::int32_t>(step.operands[5]),
                               context.frames[0].rows_of(step.operands[0].rows, step.operands[0].dims[0]),
                               params.kv_heads};
  const auto attention = context.team.table->attention[storage_index(step.operands[1].dtype)];
  const std::int64_t cost = params.head_dim * group * 2;
  for_share(context, tokens.units(), cost, 1, [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
    kernels::AttentionArgs args;
    args.q = frame.as<const float>(step.operands[0]);
    args.out = frame.as<float>(step.results[0]);
    args.k_cache = frame.at(step.operands[1]);
    args.v_cache = frame.at(step.operands[2]);
    if (step.operands.size() == 8) {
      args.k_scale = frame.as<const float>(step.operands[6]);
      args.v_scale = frame.as<const float>(step.operands[7]);
    }
    args.block_table = frame.as<const std::int32_t>(step.operands[3]);
    args.sequence = frame.as<const std::int32_t>(step.operands[4]);
    args.position = frame.as<const std::int32_t>(step.operands[5]);
    args.scratch = reinterpret_cast<float*>(context.team.scratch);
    args.heads = params.heads;
    args.kv_heads = params.kv_heads;
    args.head_dim = params.head_dim;
    args.block_size = params.block_size;
    args.max_blocks = params.max_blocks;
    args.q_stride = args.out_stride = params.heads * params.head_dim;
    args.scale = params.scale;
    for_attention_calls(tokens, begin, end, [&](const AttentionCall& call) {
      args.token_begin = call.tokens.begin;
      args.token_end = call.tokens.end;
      args.head_begin = call.kv_heads.begin * group;
      args.head_end = call.kv_heads.end * group;
      attention(args);
    });
  });
}

}  // namespace ganglion::runtime::cpu
