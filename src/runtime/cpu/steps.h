// One function per kind of step. Called by every thread of the team; each does its share. What a step reads has been
// written and what it writes is free: the barriers are the program's.
#pragma once

#include "runtime/cpu/frame.h"

namespace ganglion::runtime::cpu {

// step_kernels.cc
void run_step(const program::MatmulParams& params, const StepContext& context);
void run_step(const program::PrepareRowsParams& params, const StepContext& context);
// 0 where the matmuls read so few rows as they are.
std::int64_t rows_to_prepare(const program::PrepareRowsParams& params, const StepContext& context);
void run_step(const program::LayerNormParams& params, const StepContext& context);
void run_step(const program::RmsNormParams& params, const StepContext& context);
void run_step(const program::RotaryParams& params, const StepContext& context);
void run_step(const program::EmbeddingParams& params, const StepContext& context);
void run_step(const program::KvWriteParams& params, const StepContext& context);
void run_step(const program::AttentionParams& params, const StepContext& context);
// step_elementwise.cc
void run_step(const program::ElementwiseParams& params, const StepContext& context);
// step_moves.cc
void run_step(const program::MoveParams& params, const StepContext& context);
void run_step(const program::FillParams& params, const StepContext& context);
void run_step(const program::IotaParams& params, const StepContext& context);
void run_step(const program::ReplicaIdParams& params, const StepContext& context);
// step_dot.cc
void run_step(const program::DotParams& params, const StepContext& context);
// step_reduce.cc
void run_step(const program::ReduceParams& params, const StepContext& context);
// step_indexing.cc
void run_step(const program::GatherParams& params, const StepContext& context);
void run_step(const program::ScatterParams& params, const StepContext& context);
// step_sort.cc
void run_step(const program::SortParams& params, const StepContext& context);
// step_control.cc
void run_step(const program::WhileParams& params, const StepContext& context);
// step_collectives.cc
void run_step(const program::AllReduceParams& params, const StepContext& context);
void run_step(const program::AllGatherParams& params, const StepContext& context);

}  // namespace ganglion::runtime::cpu
