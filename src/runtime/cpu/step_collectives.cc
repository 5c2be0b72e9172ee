// Collectives of ranks that live in one process: the step reads all ranks' memory. Combined in rank order.
#include <algorithm>
#include <cstring>

#include "runtime/cpu/callee.h"
#include "runtime/cpu/combine.h"
#include "runtime/cpu/steps.h"

namespace ganglion::runtime::cpu {
namespace {

using Groups = std::vector<std::vector<std::int64_t>>;

// The ranks that meet with `rank`, in the order of its group.
template <typename Visit>
void for_group(const Groups& groups, std::span<const Frame> ranks, int rank, const Visit& visit) {
  for (const auto& group : groups) {
    if (std::find(group.begin(), group.end(), rank) == group.end()) continue;
    for (const std::int64_t member : group) visit(ranks[static_cast<std::size_t>(member)]);
    return;
  }
  for (const Frame& frame : ranks) visit(frame);
}

class Reducer {
 public:
  Reducer(const program::AllReduceParams& params, const StepContext& context, const Frame& frame)
      : params_(params), context_(context), frame_(frame), add_(context.team.table->binary[0]) {}

  // Elements [begin, end) of the result.
  void run(std::int64_t begin, std::int64_t end) {
    const program::Operand& x = context_.step.operands[0];
    const auto size = static_cast<std::int64_t>(dtype_size(x.dtype));
    std::byte* to = frame_.at(context_.step.results[0]) + begin * size;
    bool first = true;
    for_group(params_.groups, context_.ranks, frame_.rank, [&](const Frame& member) {
      const std::byte* from = member.at(x) + begin * size;
      if (first) {
        std::memcpy(to, from, static_cast<std::size_t>((end - begin) * size));
      } else {
        combine(x.dtype, to, from, end - begin);
      }
      first = false;
    });
    std::size_t next = 1;
    if (params_.has_bias) add_bias(frame_.as<const float>(context_.step.operands[next++]), begin, end);
    if (params_.has_residual) {
      const auto* residual = frame_.as<const float>(context_.step.operands[next]) + begin;
      add_(reinterpret_cast<float*>(to), residual, reinterpret_cast<float*>(to), end - begin);
    }
  }

 private:
  void combine(DType dtype, std::byte* to, const std::byte* from, std::int64_t count) {
    if (dtype == DType::kF32 && params_.combine == program::Combine::kAdd) {
      auto* sum = reinterpret_cast<float*>(to);
      add_(sum, reinterpret_cast<const float*>(from), sum, count);
      return;
    }
    const auto size = static_cast<std::int64_t>(dtype_size(dtype));
    for (std::int64_t i = 0; i < count; ++i) {
      if (params_.combine == program::Combine::kProgram) {
        Callee callee(*context_.step.called[0], frame_, context_.team);
        const std::byte* arguments[2] = {to + i * size, from + i * size};
        std::memcpy(to + i * size, callee(arguments), static_cast<std::size_t>(size));
      } else {
        combine_into(params_.combine, dtype, to + i * size, from + i * size);
      }
    }
  }

  void add_bias(const float* bias, std::int64_t begin, std::int64_t end) {
    auto* out = frame_.as<float>(context_.step.results[0]);
    while (begin < end) {
      const std::int64_t column = begin % params_.cols;
      const std::int64_t count = std::min(end - begin, params_.cols - column);
      add_(out + begin, bias + column, out + begin, count);
      begin += count;
    }
  }

  const program::AllReduceParams& params_;
  const StepContext& context_;
  const Frame& frame_;
  void (*add_)(const float*, const float*, float*, std::int64_t) noexcept;
};

static_assert(static_cast<int>(kernels::Binary::kAdd) == 0);

}  // namespace

void run_step(const program::AllReduceParams& params, const StepContext& context) {
  const std::int64_t count = context.frames[0].elements(context.step.operands[0]);
  const auto cost = static_cast<std::int64_t>(context.ranks.size()) * 4;
  for_share(context, count, cost, 512, [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
    Reducer(params, context, frame).run(begin, end);
  });
}

void run_step(const program::AllGatherParams& params, const StepContext& context) {
  const program::Operand& x = context.step.operands[0];
  const auto bytes = params.chunk * static_cast<std::int64_t>(dtype_size(x.dtype));
  const std::int64_t outer =
      params.rows_outer ? params.outer * context.frames[0].rows_of(x.rows, x.dims[0]) : params.outer;
  const auto members = params.groups.empty() ? static_cast<std::int64_t>(context.ranks.size())
                                             : static_cast<std::int64_t>(params.groups[0].size());
  for_share(context, outer, bytes * members, 1, [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
    std::byte* to = frame.at(context.step.results[0]);
    for (std::int64_t i = begin; i < end; ++i) {
      std::int64_t member = 0;
      for_group(params.groups, context.ranks, frame.rank, [&](const Frame& from) {
        std::memcpy(to + (i * members + member++) * bytes, from.at(x) + i * bytes, static_cast<std::size_t>(bytes));
      });
    }
  });
}

}  // namespace ganglion::runtime::cpu
